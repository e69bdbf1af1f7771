# Dual Noise Estimation on InterHand2.6M, as in the paper:
#     tools/dist_train.sh configs/dne_interhand.py 4
# 4 GPUs x 30 images = batch 120. Hyper-parameters: _base_/models/dne_r50.py.
_base_ = ['./dne/dne-mlp_res50_4xb30-30e_interhand26m-256x256.py']
