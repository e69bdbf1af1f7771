# DNE Table 3, row 1: the baseline.
_base_ = ['./table2_baseline.py']
