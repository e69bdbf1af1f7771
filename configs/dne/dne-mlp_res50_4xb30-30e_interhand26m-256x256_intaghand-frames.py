# The paper's recipe, tested on the images that its tables fit: all single hands of the
# test split, and of the interacting ones those that IntagHand evaluates. Hold MPJPE_SH,
# MPJPE_IH, MPJPE_All and MPVPE_*, without prefix, against Tables 1 to 4. Needs
#     tools/dataset_converters/prepare_interhand.py data/interhand2.6m --images decode
_base_ = ['./dne-mlp_res50_4xb30-30e_interhand26m-256x256.py']

test_dataloader = dict(dataset=dict(intaghand_frames=True))
