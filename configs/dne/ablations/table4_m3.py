# DNE Table 4, M=3.
_base_ = ['./dne-mlp_res50_10pct.py']
