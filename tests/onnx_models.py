"""Small models of both kinds, exported by the tool."""

import sys
from argparse import Namespace

import pytest
import torch
from mmengine.config import Config
from mmpose.registry import MODELS

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.deployment import HandNetwork
from tests.gradients import wake
from tools.deployment import export_onnx as tool

SIZE, CHANNELS, TOKEN = 64, 24, 16
NORM = dict(type='BN')
PREPROCESSOR = dict(
    type='HandDataPreprocessor',
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
)
DECODER = dict(
    context_channels=CHANNELS,
    embed_dims=TOKEN,
    depth=1,
    num_heads=2,
    head_dims=8,
    ffn_dims=20,
)


def vit(patch_size, columns):
    return dict(
        type='HaMeRViT',
        img_size=(SIZE, SIZE - 2 * columns),
        crop_columns=columns,
        patch_size=patch_size,
        patch_padding=0,
        embed_dims=CHANNELS,
        depth=1,
        num_heads=2,
        drop_path_rate=0.0,
    )


def error_bars(**options):
    return dict(
        type='JointUncertaintyHead',
        in_channels=TOKEN,
        covariance=dict(type='CorrelatedCovariance'),
        **options,
    )


PAIR = dict(
    type='HandMeshEstimator',
    data_preprocessor=PREPROCESSOR,
    backbone=vit(4, 0),
    hand_model=dict(type='HandPair'),
    mano_head=dict(
        type='MANOMapHead', in_channels=CHANNELS, mid_channels=16, norm_cfg=NORM
    ),
    refine_head=dict(
        type='DNEHead',
        in_channels=CHANNELS,
        map_size=SIZE // 4,
        num_stages=1,
        num_cells=8,
        coordinate_inputs=True,
        estimator=dict(type='NoiseGraphAttention', num_layers=1),
    ),
    hand_token=dict(type='RefinedHandToken', in_channels=CHANNELS, out_channels=TOKEN),
    uncertainty_head=error_bars(num_slots=2),
)
ONE_HAND = dict(
    type='HandMeshEstimator',
    data_preprocessor=PREPROCESSOR,
    backbone=vit(16, 8),
    hand_model=dict(type='SingleHand', tips='smplx', joints='kinematic'),
    mano_head=dict(
        type='MANODecoderHead',
        in_channels=CHANNELS,
        decoder=DECODER,
        image_size=SIZE,
        focal=1250.0,
    ),
    uncertainty_head=error_bars(decoder=DECODER),
)
# The same with the camera of HaMeR's own weights.
OFFICIAL = dict(ONE_HAND, mano_head=dict(ONE_HAND['mano_head'], official_camera=True))
CROPS = dict(
    pair=dict(type='MeshCrop', input_size=SIZE, padding=1.25),
    one_hand=dict(
        type='HaMeRCrop', input_size=SIZE, padding=1.0, aspect=None, half_pixel=True
    ),
)
CROPS['official'] = CROPS['one_hand']
# Crops that are not square, of both kinds: W x H.
TALL = (SIZE - 16, SIZE)
PAIR_TALL = dict(
    PAIR,
    backbone=dict(PAIR['backbone'], img_size=TALL[::-1]),
    refine_head=dict(PAIR['refine_head'], map_size=(TALL[1] // 4, TALL[0] // 4)),
)
OFFICIAL_TALL = dict(
    OFFICIAL,
    backbone=dict(vit(16, 0), img_size=TALL[::-1]),
    mano_head=dict(OFFICIAL['mano_head'], image_size=TALL),
)
CROPS['pair_tall'] = dict(CROPS['pair'], input_size=TALL)
CROPS['official_tall'] = dict(CROPS['one_hand'], input_size=TALL)
MODEL_OF = dict(
    pair=PAIR,
    one_hand=ONE_HAND,
    official=OFFICIAL,
    pair_tall=PAIR_TALL,
    official_tall=OFFICIAL_TALL,
)
BATCH_OF = {kind: 'dynamic' if 'pair' in kind else '2' for kind in MODEL_OF}


def export_with_the_tool(kind, folder):
    pipeline = [dict(type='LoadHandImage'), CROPS[kind], dict(type='PackHandInputs')]
    cfg = Config(
        dict(
            model=MODEL_OF[kind],
            test_dataloader=dict(dataset=dict(type='Unused', pipeline=pipeline)),
        )
    )
    cfg.dump(str(folder / 'config.py'))
    torch.manual_seed(0)
    model = MODELS.build(cfg.model)
    wake(model, names=('.last.', 'parameter_maps', 'fc_pose'))
    covariance = model.uncertainty_head.covariance
    covariance.set_mixing(torch.eye(60) + 0.05 * torch.randn(60, 60))
    torch.save(dict(state_dict=model.state_dict()), folder / 'weights.pth')
    arguments = [str(folder / name) for name in ('config.py', 'weights.pth', 'm.onnx')]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, 'argv', ['', *arguments, '--batch', BATCH_OF[kind]])
        tool.main()
    hands = HandMeshInferencer(*arguments[:2], device='cpu')
    return Namespace(
        path=folder / 'm.onnx',
        inferencer=hands,
        model=hands.model,
        network=HandNetwork(hands.model).eval(),
    )
