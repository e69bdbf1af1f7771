# DNE Table 4, M=0: the baseline.
_base_ = ['./table2_baseline.py']
