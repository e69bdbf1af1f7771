"""InterHand2.6M's protocols against their definitions, beside the plain numbers."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from mmhand_dne.datasets.datasets import InterHandMeshDataset
from mmhand_dne.engine.runner.shared_hand import share_hand_model
from mmhand_dne.evaluation import HandMeshMetric
from mmhand_dne.hand_model import HandPair
from tests.interhand_fixture import write_interhand
from tests.oracles import interhand_protocols as oracle
from tests.oracles.ranks import evaluate_share, run_ranks

PROTOCOLS = ['wrist', 'mcp_scaled']
HAND = dict(type='HandPair', source='cc0', tips='interhand')
ROOT = Path(__file__).resolve().parents[3]
HAND_TYPES = ('right', 'left', 'interacting', 'interacting')
TEMPLATE = HandPair().template.double().numpy()


def make_sample(index, kind='noisy', hand_type=None):
    """A float64 sample with everything that protocols read."""
    rng = np.random.default_rng([5, index])
    hand_type = hand_type or HAND_TYPES[index % 4]
    present = np.array([hand_type != 'left', hand_type != 'right'])
    gt = TEMPLATE * rng.uniform(0.8, 1.2, (2, 1, 1)) + rng.normal(
        0, 0.002, TEMPLATE.shape
    )
    noise = rng.normal(0, 0.004, gt.shape)
    pred = dict(
        noisy=1.1 * gt + noise,
        zero=0 * gt,
        mirrored=gt * [-1, 1, 1] + noise,
        collinear=gt[..., :1] * [1.0, 2, -1],
    )[kind]
    annotated = present[:, None] & (rng.random((2, 21)) > 0.1)
    seen = annotated & (rng.random((2, 21)) > 0.1)
    seen &= seen[:, -1:]  # InterHand order: the wrist is last
    if index % 7 == 3:
        seen[0] = np.arange(21) == 20  # the wrist alone: a box without area
    sample = PoseDataSample(metainfo=meta_of(index, hand_type))
    sample.gt_instance_labels = labels_of(rng, gt, present, annotated)
    pixels = rng.uniform(0, 300, (1, 42, 3))
    sample.gt_instances = InstanceData(
        keypoints=pixels,
        keypoints_visible=seen.reshape(1, 42).astype(float),
        keypoints_cam=rng.normal(0, 50, (1, 42, 3)) + [0, 0, 800],
    )
    sample.pred_instances = InstanceData(
        hand_vertices=pred[None],
        hand_joints=rng.normal(0, 0.05, (1, 2, 21, 3)),
        hand_camera=np.ones((1, 2, 2, 2)),
        hand_presence=rng.random((1, 2)),
        hand_root_cam=rng.normal([0, 0, 0.8], 0.05, (1, 2, 3)),
    )
    return sample


def meta_of(index, hand_type):
    return dict(
        img_id=index,
        id=index,
        img_path=f'{index}.jpg',
        sample_idx=index,
        input_size=(64, 48),
        ori_shape=(512, 334),
        hand_type=hand_type,
        hand_type_valid=np.array([int(index % 5 != 2)]),
        image_mean=float(5 if index % 6 == 3 else 90),
    )


def labels_of(rng, gt, present, annotated):
    values = dict(
        hand_vertices=gt,
        hand_vertices_valid=present & (rng.random(2) > 0.1),
        hand_joints=rng.normal(0, 0.05, (2, 21, 3)),
        hand_joints_valid=annotated[:, oracle.FROM_INTERHAND] & annotated[:, -1:],
        hand_joints_ndc=np.zeros((2, 21, 2)),
        hand_joints_ndc_valid=annotated,
        hand_root_cam=rng.normal([0, 0, 0.8], 0.05, (2, 3)),
        hand_root_valid=present,
        hand_presence=present,
        hand_presence_valid=np.ones(2),
        crop_intrinsics=np.eye(3),
    )
    return InstanceData(
        **{
            name: torch.from_numpy(np.asarray(value, np.float64))[None]
            for name, value in values.items()
        }
    )


def evaluate(samples, protocols=PROTOCOLS):
    evaluator = Evaluator(HandMeshMetric(protocols=protocols, hand_model=HAND))
    evaluator.process(samples)
    return evaluator.evaluate(len(samples))


@pytest.mark.parametrize('kind', ['noisy', 'zero', 'mirrored', 'collinear'])
def test_protocols_equal_the_definition(kind):
    samples = [make_sample(index, kind) for index in range(24)]
    found = evaluate(samples)
    wanted = {**oracle.wrist_scores(samples), **oracle.mcp_scores(samples)}
    assert {name for name in found if '/' in name} == wanted.keys()
    assert len(wanted) == 14
    for name, value in wanted.items():
        # The regressors are float32, as MANO's own.
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-9), name


def test_the_plain_numbers_stay():
    samples = [make_sample(index) for index in range(6)]
    plain = evaluate(samples, protocols=[])
    found = evaluate(samples)
    assert {k: v for k, v in found.items() if '/' not in k} == plain


def test_one_and_two_processes_give_the_same_bits(tmp_path):
    count = 7
    before = evaluate([make_sample(index) for index in range(count)])
    metric = HandMeshMetric(protocols=PROTOCOLS, hand_model=HAND)
    run_ranks(evaluate_share, 2, metric, make_sample, count, str(tmp_path / 'metrics'))
    for rank in range(2):
        found = torch.load(tmp_path / f'metrics.{rank}', weights_only=True)
        assert found == [before, before]


def test_perfect_meshes_score_zero_but_only_scaled_ones_when_unscaled():
    samples = [make_sample(index, hand_type='interacting') for index in range(4)]
    for sample in samples:
        sample.set_metainfo(dict(image_mean=90.0, hand_type_valid=np.ones(1)))
        labels = sample.gt_instance_labels
        labels.hand_vertices_valid = torch.ones(1, 2)
        sample.pred_instances.hand_vertices = 1.3 * labels.hand_vertices.numpy() + 0.01
    found = evaluate(samples)
    assert found['mcp_scaled/MPJPE'] == pytest.approx(0, abs=1e-4)
    assert found['mcp_scaled/MPVPE'] == pytest.approx(0, abs=1e-4)
    assert found['wrist/MPVPE_All'] > 5


def test_a_black_image_is_recognised_in_its_file(tmp_path):
    samples = [make_sample(index, hand_type='interacting') for index in range(2)]
    for sample, value in zip(samples, (9, 11)):
        path = str(tmp_path / f'{value}.png')
        cv2.imwrite(path, np.full((8, 8, 3), value, np.uint8))
        del sample.image_mean
        sample.set_metainfo(dict(img_path=path, hand_type_valid=np.ones(1)))
        sample.gt_instance_labels.hand_vertices_valid = torch.ones(1, 2)
    found, bright = evaluate(samples), evaluate(samples[1:])
    assert found['mcp_scaled/MPJPE'] == bright['mcp_scaled/MPJPE']
    kept = evaluate(samples, [dict(type='MCPScaledProtocol', min_grey=None)])
    assert kept['mcp_scaled/MPJPE'] != bright['mcp_scaled/MPJPE']
    samples[0].set_metainfo(dict(img_path=str(tmp_path / 'nowhere.png')))
    with pytest.raises(ValueError, match='cannot be read to see whether it is black'):
        evaluate(samples)


def test_a_hand_whose_wrist_has_no_position_is_left_out():
    """Visible, but invalid in space: its joints were a wrist's distance off."""
    sample = make_sample(1, hand_type='interacting')
    wrist = 41  # of the left hand, InterHand order
    sample.gt_instances.keypoints_visible[0, :] = 1
    sample.gt_instances.keypoints_visible[0, wrist] = 0
    sample.gt_instances.keypoints_cam[0, wrist] = 0
    found = evaluate([sample], ['wrist'])
    sample.gt_instances.keypoints_visible[0, 21:] = 0
    assert found['wrist/MPJPE_IH'] == evaluate([sample], ['wrist'])['wrist/MPJPE_IH']


def test_a_mirrored_left_hand_counts_as_a_left_one():
    """A set of one sample a hand has the left hand mirrored in slot 0."""
    sample = make_sample(1, hand_type='left')
    sample.gt_instances.keypoints_visible[0, 21:] = 1
    sample.gt_instance_labels.hand_joints_valid[0, 1] = 1
    sample.gt_instance_labels.hand_vertices_valid[0, 1] = 1
    before = evaluate([sample], ['wrist'])
    swapped = make_sample(1, hand_type='left')
    swapped.set_metainfo(dict(hand_side='left', hand_type=np.array([[1, 0]])))
    for part in ('gt_instance_labels', 'pred_instances', 'gt_instances'):
        source, target = sample.get(part), swapped.get(part)
        for name in source.keys():
            value = source.get(name)
            if part == 'gt_instances':
                hands = np.split(value, 2, axis=1)
                target.set_field(np.concatenate(hands[::-1], 1), name)
            elif value.shape[1] == 2:
                target.set_field(value[:, [1, 0]], name)
    found = evaluate([swapped], ['wrist'])
    names = [name for name in before if name.startswith('wrist/')]
    assert 'wrist/MPJPE_SH' in names and 'wrist/MPVPE_SH' in names
    assert {n: found[n] for n in names} == {n: before[n] for n in names}


def test_a_hand_without_place_leaves_root_errors_only():
    samples = [make_sample(index, hand_type='interacting') for index in (4, 5, 6)]
    before = evaluate(samples[1:])
    samples[0].pred_instances.hand_root_cam[0, 1] = np.nan
    found = evaluate(samples)
    for name in ('wrist/MRRPE', 'wrist/RRVE'):
        assert found[name] == before[name] and math.isfinite(found[name])
    assert found['wrist/MPJPE_IH'] != before['wrist/MPJPE_IH']


def drop_annotation(sample):
    del sample.gt_instances.keypoints_cam


def spoil(sample):
    sample.pred_instances.hand_vertices[0, 0, 5] = np.nan


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (drop_annotation, r'image 2: gt_instances.keypoints_cam has shape \(0,\)'),
        (spoil, "image 2: 'hand_vertices' holds NaN"),
    ],
)
def test_a_bad_sample_is_named(change, words):
    sample = make_sample(2)
    change(sample)
    with pytest.raises(ValueError, match=words):
        evaluate([sample])


def test_a_mesh_of_another_hand_is_refused():
    sample = make_sample(2)
    for part in (sample.gt_instance_labels, sample.pred_instances):
        part.hand_vertices = part.hand_vertices[:, :, :100]
    with pytest.raises(ValueError, match='image 2: the mesh has 100 vertices'):
        evaluate([sample])


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        (
            dict(protocols=['wrist', 'wrist'], hand_model=HAND),
            r"protocols are \['wrist', 'wrist'\]; name each",
        ),
        (
            dict(protocols=['mcp'], hand_model=HAND),
            "unknown protocol 'mcp'; choose from",
        ),
        (
            dict(protocols=['wrist']),
            'WristProtocol regresses joints .* give hand_model',
        ),
    ],
)
def test_protocols_that_cannot_be_are_refused(options, words):
    with pytest.raises(ValueError, match=words):
        HandMeshMetric(**options)


@pytest.mark.parametrize(
    ('path', 'names'),
    [
        ('dne_interhand.py', ['HandMeshMetric']),
        ('_base_/datasets/freihand_mesh.py', ['HandMeshMetric', 'FreiHANDMetric']),
        ('_base_/datasets/ho3d_mesh.py', ['HandMeshMetric', 'HO3DMetric']),
    ],
)
def test_configs_score_as_their_benchmarks_do(path, names):
    cfg = Config.fromfile(str(ROOT / 'configs' / path))
    metrics = Evaluator(cfg.test_evaluator).metrics
    assert [type(metric).__name__ for metric in metrics] == names
    protocols = [protocol.name for protocol in metrics[0].protocols]
    assert protocols == (PROTOCOLS if len(names) == 1 else [])


def test_one_option_gives_the_protocols_the_runs_hand():
    hand = dict(type='HandPair', source='some/folder', tips='interhand')
    cfg = Config(
        dict(
            hand_model=hand,
            val_evaluator=dict(
                type='HandMeshMetric',
                hand_model=dict(source='cc0'),
                protocols=[
                    'mcp_scaled',
                    dict(type='WristProtocol', hand_model=dict(source='cc0')),
                ],
            ),
            test_evaluator=[
                dict(type='FreiHANDMetric', hand_model=dict(source='cc0')),
                dict(type='HO3DMetric'),
            ],
        )
    )
    share_hand_model(cfg)
    assert cfg.val_evaluator.hand_model == hand
    assert cfg.val_evaluator.protocols[1].hand_model == hand
    assert cfg.test_evaluator[0].hand_model == hand
    assert 'hand_model' not in cfg.test_evaluator[1]


def test_packed_ground_truth_predicted_is_perfect(tmp_path):
    """The fields that a data set packs are those that protocols read."""
    write_interhand(tmp_path, num_frames=6)
    kinds = dict(
        ann_file='data',
        camera_file='camera',
        joint_file='joint_3d',
        mano_file='MANO_NeuralAnnot',
    )
    files = {
        key: f'annotations/train/InterHand2.6M_train_{kind}.json'
        for key, kind in kinds.items()
    }
    dataset = InterHandMeshDataset(
        data_root=str(tmp_path),
        data_prefix=dict(img='images/train'),
        pipeline=[
            dict(type='LoadHandImage'),
            dict(type='MeshCrop', input_size=32),
            dict(type='PackHandInputs'),
        ],
        **files,
    )
    samples = [dataset[index]['data_samples'] for index in range(6)]
    for sample in samples:
        labels = sample.gt_instance_labels
        sample.pred_instances = InstanceData(
            hand_camera=np.ones((1, 2, 2, 2)),
            **{
                name: labels[name].numpy()
                for name in (
                    'hand_vertices',
                    'hand_joints',
                    'hand_root_cam',
                    'hand_presence',
                )
            },
        )
    found = evaluate(samples)
    names = {name for name in found if '/' in name}
    assert len(names) == 14
    for name in names:
        assert found[name] < 0.05, name  # mm; the joints are stored in float32
