"""Scoring dumps and submissions, and writing submissions, as a user types it."""

import json
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmengine.evaluator import Evaluator
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData

from mmhand_dne.datasets.datasets import FreiHANDMeshDataset, HO3DMeshDataset
from mmhand_dne.evaluation import (
    DumpPredictions,
    FreiHANDMetric,
    HandMeshMetric,
    HO3DMetric,
)
from mmhand_dne.evaluation.functional.official_scores import official_scores
from mmhand_dne.evaluation.metrics.absolute_hand import predicted_hand, to_official
from mmhand_dne.evaluation.metrics.dump_predictions import dumped_samples
from mmhand_dne.fileio.dump_file import DumpFile
from tests.right_hand_fixture import write_freihand, write_ho3d

sys.path.insert(0, str(Path(__file__).parents[2] / 'tools' / 'analysis_tools'))

import export_submission
import score_predictions

PIPELINE = [
    dict(type='LoadHandImage'),
    dict(type='MeshCrop', input_size=32, padding=1.5),
    dict(type='PackHandInputs'),
]
METRICS = dict(freihand=FreiHANDMetric, ho3d=HO3DMetric)


def datasets(root) -> dict:
    """Configs of the two evaluation splits."""
    return dict(
        freihand=dict(
            type='FreiHANDMeshDataset',
            data_root=str(root / 'freihand'),
            split='evaluation',
            pipeline=PIPELINE,
            test_mode=True,
        ),
        ho3d=dict(
            type='HO3DMeshDataset',
            data_root=str(root / 'ho3d'),
            ann_file='evaluation.txt',
            xyz_file='evaluation_xyz.json',
            verts_file='evaluation_verts.json',
            pipeline=PIPELINE,
            test_mode=True,
        ),
    )


def add_prediction(sample, rng):
    """The ground truth, moved by millimetres, at a place centimetres away."""
    labels = sample.gt_instance_labels
    vertices = labels.hand_vertices.numpy().copy()
    joints = labels.hand_joints.numpy().copy()
    for points in (vertices, joints):
        points += rng.normal(0, 0.003, points.shape).astype(np.float32)
    place = labels.hand_root_cam.numpy() + np.float32(0.02)
    sample.pred_instances = InstanceData(
        hand_vertices=vertices,
        hand_joints=joints,
        hand_root_cam=place,
        hand_camera=np.ones((1, 2, 2, 2), np.float32),
        hand_presence=np.ones((1, 2), np.float32),
    )


@pytest.fixture(scope='module')
def runs(tmp_path_factory):
    """Folder with both evaluation sets, their dumps, and the runs' scores."""
    init_default_scope('mmpose')
    root = tmp_path_factory.mktemp('runs')
    write_freihand(root / 'freihand', num_rows=3, split='evaluation')
    write_ho3d(root / 'ho3d', num_frames=3, version=3)
    scores = {}
    for name, config in datasets(root).items():
        rng, options = np.random.default_rng(0), dict(config)
        kind = dict(
            FreiHANDMeshDataset=FreiHANDMeshDataset, HO3DMeshDataset=HO3DMeshDataset
        )[options.pop('type')]
        dataset = kind(**options)
        samples = [dataset[i]['data_samples'] for i in range(len(dataset))]
        for sample in samples:
            add_prediction(sample, rng)
        evaluator = Evaluator(
            [
                HandMeshMetric(),
                METRICS[name](),
                DumpPredictions(str(root / f'{name}.npz')),
                DumpPredictions(str(root / f'{name}_bare.npz'), with_gt=False),
            ]
        )
        evaluator.process(samples)
        scores[name] = evaluator.evaluate(len(samples))
    return root, scores


def score(capsys, *arguments):
    """Scores that the tool prints."""
    score_predictions.main([str(argument) for argument in arguments])
    lines = capsys.readouterr().out.splitlines()
    pairs = [
        line.split(': ')
        for line in lines
        if ': ' in line and '/' not in (line.split(': ')[1])
    ]
    return {k: float(v) for k, v in pairs if v.replace('.', '').isdigit()}


def placed(root, protocol, which):
    """The dumped hands where each protocol has them, in float64."""
    found = []
    metric = METRICS[protocol]()
    for sample in dumped_samples(DumpFile(root / f'{protocol}.npz')):
        hand = predicted_hand(sample, 'an image', 'test', metric.root, None)
        points = getattr(hand, which)
        found.append(to_official(points, protocol, joints=which == 'joints'))
    return np.stack(found)


def refusal(capsys, tool, *arguments):
    with pytest.raises(SystemExit) as end:
        tool.main([str(argument) for argument in arguments])
    assert end.value.code == 2
    return capsys.readouterr().err.strip()


@pytest.mark.parametrize('protocol', METRICS)
def test_a_dump_scores_as_the_run_did(runs, protocol, tmp_path, capsys):
    root, scores = runs
    out = tmp_path / 'metrics.json'
    score(
        capsys,
        root / f'{protocol}.npz',
        '--protocol',
        protocol,
        '--out-dir',
        tmp_path,
        '--out',
        out,
    )
    wanted = {k: v for k, v in scores[protocol].items() if k.startswith(protocol)}
    assert json.loads(out.read_text()) == wanted
    lines = (tmp_path / 'scores.txt').read_text().splitlines()
    assert lines == [f'{k.split("/")[1]}: {v:f}' for k, v in wanted.items()]


@pytest.mark.parametrize('protocol', METRICS)
@pytest.mark.parametrize('dump', ['', '_bare'])
def test_a_config_scores_a_dump_and_gives_it_ground_truth(
    runs, protocol, dump, tmp_path
):
    root, scores = runs
    config, out = tmp_path / 'config.py', tmp_path / 'metrics.json'
    Config(
        dict(
            test_dataloader=dict(dataset=datasets(root)[protocol]),
            test_evaluator=[
                dict(type='HandMeshMetric'),
                dict(type=METRICS[protocol].__name__),
            ],
        )
    ).dump(str(config))
    score_predictions.main(
        [
            str(root / f'{protocol}{dump}.npz'),
            '--config',
            str(config),
            '--out',
            str(out),
        ]
    )
    assert json.loads(out.read_text()) == scores[protocol]


@pytest.mark.parametrize('protocol', METRICS)
@pytest.mark.parametrize('packed', ['pred.json', 'pred.zip'])
def test_what_is_exported_scores_as_the_dump(runs, protocol, packed, tmp_path, capsys):
    root, scores = runs
    export_submission.main(
        [
            str(root / f'{protocol}.npz'),
            '--protocol',
            protocol,
            '--images',
            '3',
            '--out-dir',
            str(tmp_path),
        ]
    )
    found = score(
        capsys,
        tmp_path / packed,
        '--protocol',
        protocol,
        '--ground-truth',
        root / protocol,
        '--out-dir',
        tmp_path,
    )
    assert found
    for name, value in found.items():
        # The samples hold the ground truth in float32: a point may cross a threshold.
        wanted = scores[protocol][f'{protocol}/{name}']
        bound = 2e-5 if name.endswith('mean3d') else 2e-3
        assert value == pytest.approx(wanted, abs=bound), name
    files = [root / protocol / f'evaluation_{n}.json' for n in ('xyz', 'verts')]
    gt = [np.array(json.loads(file.read_text())) for file in files]
    pred = [
        np.array(points) for points in json.loads((tmp_path / 'pred.json').read_text())
    ]
    for points, which in zip(pred, ('joints', 'vertices')):
        np.testing.assert_array_equal(points, placed(root, protocol, which))
    exact = official_scores(pred, gt, protocol)
    text = (tmp_path / 'scores.txt').read_text()
    assert text == ''.join(f'{k}: {v:f}\n' for k, v in exact.items())
    if protocol == 'ho3d':  # on the given wrist, before an OpenGL camera
        np.testing.assert_allclose(pred[0][:, 0], gt[0][:, 0], atol=1e-7)
        assert (pred[1][..., 2] < 0).all()


def test_ho3d_rows_are_checked_against_the_list(runs, tmp_path, capsys):
    root, _ = runs
    common = [root / 'ho3d.npz', '--protocol', 'ho3d', '--out-dir', tmp_path]
    frames = root / 'ho3d/evaluation.txt'
    export_submission.main([str(a) for a in [*common, '--frames', frames]])
    assert zipfile.ZipFile(tmp_path / 'pred.zip').namelist() == ['pred.json']
    other = tmp_path / 'evaluation.txt'
    other.write_text('\n'.join(frames.read_text().splitlines()[::-1]))
    assert 'is not SM1/0014 of' in refusal(
        capsys, export_submission, *common, '--frames', other
    )


def test_an_incomplete_evaluation_is_not_exported(runs, tmp_path, capsys):
    root, _ = runs
    assert 'has 3 images, expected 11,524 or 20,137; test the whole' in refusal(
        capsys,
        export_submission,
        root / 'ho3d.npz',
        '--protocol',
        'ho3d',
        '--out-dir',
        tmp_path,
    )
    assert 'has no gt/hand_root_valid, which --root given needs' in refusal(
        capsys,
        export_submission,
        root / 'ho3d_bare.npz',
        '--protocol',
        'ho3d',
        '--out-dir',
        tmp_path,
    )
    assert not list(tmp_path.iterdir())


def points(count, joints=21, value=0.0):
    return np.full((count, joints, 3), value).tolist()


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        (
            [points(2), points(2, 778)],
            'has 2 rows, the ground truth 3; give one row per image',
        ),
        ([points(3)], 'has 1 entries, expected the list [xyz, verts]'),
        (
            [points(3, 20), points(3, 778)],
            'joints have shape (3, 20, 3), expected (N, 21, 3)',
        ),
        ([points(3), points(2, 778)], 'has 3 rows of joints and 2 of vertices'),
        (
            [points(3), points(3, 778, float('nan'))],
            'vertices of row 0 hold NaN or infinity',
        ),
        (
            [[[[0, 0, 0]], [[0, 0]]], points(3, 778)],
            'joints have rows of unequal length',
        ),
        ('{"xyz": [', 'is damaged or no JSON'),
        ([[], []], 'joints have shape (0,), expected (N, 21, 3)'),
    ],
)
def test_a_bad_submission_is_one_sentence(runs, content, words, tmp_path, capsys):
    root, _ = runs
    path = tmp_path / 'pred.json'
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    error = refusal(
        capsys,
        score_predictions,
        path,
        '--protocol',
        'freihand',
        '--ground-truth',
        root / 'freihand',
    )
    assert error.startswith(f'error: {path}: ') and words in error
    assert '\n' not in error


def test_what_is_missing_is_named(runs, tmp_path, capsys):
    root, _ = runs
    for arguments, words in (
        ([root / 'freihand.npz'], 'a dump needs --protocol or --config'),
        ([root / 'freihand_bare.npz', '--protocol', 'freihand'], 'has no ground truth'),
        ([tmp_path / 'pred.zip'], 'a submission needs --protocol and --ground-truth'),
        (
            [tmp_path / 'pred.zip', '--protocol', 'ho3d', '--ground-truth', tmp_path],
            'has no evaluation_xyz.json; download',
        ),
        (
            [
                tmp_path / 'pred.zip',
                '--protocol',
                'ho3d',
                '--ground-truth',
                root / 'ho3d',
            ],
            'pred.zip: no such file',
        ),
    ):
        assert words in refusal(capsys, score_predictions, *arguments)


def test_a_zip_without_the_one_file_is_refused(runs, tmp_path, capsys):
    root, _ = runs
    path = tmp_path / 'pred.zip'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('notes.txt', 'nothing')
    assert 'holds 0 JSON files [], expected pred.json' in refusal(
        capsys,
        score_predictions,
        path,
        '--protocol',
        'ho3d',
        '--ground-truth',
        root / 'ho3d',
    )


def test_a_submission_of_another_topology_has_no_mesh_error(runs, tmp_path):
    root, _ = runs
    path = tmp_path / 'pred.json'
    path.write_text(json.dumps([points(3), points(3, 50)]))
    score_predictions.main(
        [
            str(path),
            '--protocol',
            'ho3d',
            '--ground-truth',
            str(root / 'ho3d'),
            '--out-dir',
            str(tmp_path),
        ]
    )
    lines = (tmp_path / 'scores.txt').read_text().splitlines()
    assert 'mesh_mean3d: -100.000000' in lines and 'mesh_auc3d: -1.000000' in lines
