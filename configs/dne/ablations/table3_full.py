# DNE Table 3, row 4: full DNE.
_base_ = ['./dne-mlp_res50_10pct.py']
