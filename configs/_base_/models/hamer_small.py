# HaMeR's pipeline for two CPU cores and 128x128 crops: its decoder, camera and losses
# on a narrow ResNet-18, since convolutions learn from few images and a ViT does not.
# The joints are those of the data set, regressed from the mesh.
_base_ = ['./hamer_vit_h.py', './narrow_resnet18.py']

hand_model = dict(tips='interhand', joints='regressed')
context_channels, token_channels = 128, 128
decoder = dict(
    context_channels=context_channels,
    embed_dims=token_channels,
    depth=2,
    num_heads=4,
    head_dims=32,
    ffn_dims=128,
    coordinates=True,  # convolutions do not tell where a cell is
)
head = dict(in_channels=token_channels, decoder=decoder, loss=dict(loss_weight=0.01))
uncertainty_heads = dict(
    correlated=head, nolinear=head, diagonal=head, full=head, full_square=head
)

model = dict(
    hand_model=hand_model,
    backbone=dict(
        _delete_=True,
        strides=(1, 2, 2, 1),  # 8x8 cells of 16 pixels
        out_indices=(3,),
        **_base_.narrow_resnet18,
    ),
    mano_head=dict(
        in_channels=context_channels,
        decoder=decoder,
        focal=2500.0,  # 5000 at 256 pixels
        image_size=128,
        official_camera=False,
        # Trained from nothing, not fine-tuned: the image must place the hand early.
        loss=dict(lambda_3d=1.0, lambda_2d=0.5, lambda_orient=0.3, lambda_pose=0.02),
    ),
)
