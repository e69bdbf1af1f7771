# HaMeR (CVPR 2024) at full size: ViT-H/16, a decoder of six layers, MANO. One hand
# per sample, made a right one. The joints are those its weights were trained for.
# hand_model.source needs MANO's file for official weights; 'cc0' only resembles it.
hand_model = dict(type='SingleHand', source='cc0', tips='smplx', joints='kinematic')
token_channels = 1024
decoder = dict(
    context_channels=1280,
    embed_dims=token_channels,
    depth=6,
    num_heads=8,
    head_dims=64,
    ffn_dims=1024,
)
# The second paper's heads, of which a leaf gives the model one: each has a covariance,
# its density and a decoder of its own.
lambda_nll = 5e-4  # a hand's NLL, against the losses of HaMeR below
head = dict(type='JointUncertaintyHead', in_channels=token_channels, decoder=decoder)
correlated_loss = dict(type='CorrelatedGaussianNLLLoss', loss_weight=lambda_nll)
uncertainty_heads = dict(
    # Variances mixed by one linear map for all images: the row "ours".
    correlated=dict(
        covariance=dict(type='CorrelatedCovariance'), loss=correlated_loss, **head
    ),
    # The ablation "ours without linear layer": the mixing is the identity.
    nolinear=dict(
        covariance=dict(type='CorrelatedCovariance', linear=False),
        loss=correlated_loss,
        **head,
    ),
    # A variance for each coordinate: the row "diagonal".
    diagonal=dict(
        covariance=dict(type='DiagonalCovariance'),
        loss=dict(type='DiagonalGaussianNLLLoss', loss_weight=lambda_nll),
        **head,
    ),
    # A covariance from the network for each image: the row "full".
    full=dict(
        covariance=dict(type='FullCovariance'),
        loss=dict(type='FullGaussianNLLLoss', loss_weight=lambda_nll),
        **head,
    ),
    # The same with the poster's d^2 numbers instead of a triangle.
    full_square=dict(
        covariance=dict(type='FullCovariance', form='square'),
        loss=dict(type='FullGaussianNLLLoss', loss_weight=lambda_nll),
        **head,
    ),
)
# The authors' released variants: ground truth in the camera, prediction without
# translation.
released_head = dict(aligned=False)
released_metric = dict(type='SparsificationMetric', mode='released')

model = dict(
    type='HandMeshEstimator',
    hand_model=hand_model,
    data_preprocessor=dict(
        type='HandDataPreprocessor',
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=True,
    ),
    backbone=dict(
        type='HaMeRViT',
        img_size=(256, 192),
        crop_columns=32,  # of the 256x256 crop, on each side
        drop_path_rate=0.55,
        with_cp=False,  # True where the memory is short
    ),
    mano_head=dict(
        type='MANODecoderHead',
        in_channels=1280,
        decoder=decoder,
        focal=5000.0,
        image_size=256,
        official_camera=True,  # False: the crop's middle, half a pixel beside HaMeR's
        loss=dict(
            type='HaMeRLoss',
            lambda_3d=0.05,
            lambda_2d=0.01,
            lambda_orient=1e-3,
            lambda_pose=1e-3,
            lambda_betas=5e-4,
        ),
    ),
    test_cfg=dict(flip_test=False, output_maps=False),
)
