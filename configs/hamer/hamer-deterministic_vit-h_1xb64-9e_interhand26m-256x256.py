# HaMeR, fine-tuned by the second paper's recipe: the row "deterministic". Start from
# weights that tools/model_converters/convert_hamer.py wrote:
#     --cfg-options load_from=hamer.pth
_base_ = [
    '../_base_/hamer_runtime.py',
    '../_base_/schedules/hamer_finetune.py',
    '../_base_/datasets/hamer_interhand26m.py',
    '../_base_/models/hamer_vit_h.py',
]
