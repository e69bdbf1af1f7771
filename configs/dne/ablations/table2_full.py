# DNE Table 2, row 3: full DNE.
_base_ = ['./dne-mlp_res50_10pct.py']
