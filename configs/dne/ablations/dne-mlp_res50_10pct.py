# The ablations' common ground (DNE "Ablation Study"): every 10th training entry in
# annotation order [decided], the whole test set. As it stands: the full method, the
# last row of Tables 2 and 3 and M=3 of Table 4.
_base_ = ['../dne-mlp_res50_4xb30-30e_interhand26m-256x256.py']

train_dataloader = dict(dataset=dict(subset_step=10))
