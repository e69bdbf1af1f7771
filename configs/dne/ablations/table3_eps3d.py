# DNE Table 3, row 3: 3D noise only.
_base_ = ['./table2_eps3d.py']
