"""Another model's meshes beside ours (DNE Figure 3)."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.visualization import Visualizer
from mmpose.registry import HOOKS

from mmhand_dne.errors import UserError
from mmhand_dne.evaluation import DumpPredictions
from mmhand_dne.geometry.camera import ndc_to_pixels, project
from mmhand_dne.visualization import HandMeshVisualizer
from mmhand_dne.visualization.panel.dumped_meshes import DumpedMeshes
from tests.test_visualization.panel_samples import (
    AFFINE,
    SIZE,
    hand_pair,
    make_sample,
)

TOOL = Path(__file__).resolve().parents[2] / 'tools/test.py'
VERTICES, TILE, GAP = 778, 48, 4
OTHER_AFFINE = np.array([[1.6, 0.0, -70.0], [0.0, 1.6, -30.0]])


def other_sample(number=0, shift=0.0, affine=OTHER_AFFINE, **options):
    """Of a model that reads a crop of 256 pixels, elsewhere in the image."""
    sample = make_sample(**options)
    sample.set_metainfo(
        dict(
            id=17 + number,
            sample_idx=number,
            crop_affine=affine,
            input_size=(2 * SIZE, 2 * SIZE),
        )
    )
    sample.pred_instances.hand_vertices = sample.pred_instances.hand_vertices + shift
    return sample


def dump(path, samples):
    metric = DumpPredictions(str(path))
    metric.process(None, [sample.to_dict() for sample in samples])
    metric.evaluate(len(samples))
    return path


def in_image(vertices, camera, affine, size):
    """Pixels of the original image, from a crop's camera."""
    pixels = ndc_to_pixels(project(vertices, camera).double(), size)
    return (pixels.numpy() - affine[:, 2]) / np.diag(affine)


def test_meshes_of_another_crop_stay_where_they_are_in_the_image(tmp_path):
    samples = [other_sample(i, shift=0.01 * i) for i in range(3)]
    meshes = DumpedMeshes(dump(tmp_path / 'other.npz', samples))
    for number in (2, 0, 1):
        ours = make_sample()
        ours.set_metainfo(dict(id=17 + number, sample_idx=number))
        view = meshes.view_of(ours, VERTICES)
        assert view.title == 'other' and view.present.tolist() == [True, True]
        theirs = samples[number].pred_instances
        wanted = torch.from_numpy(theirs.hand_vertices[0])
        torch.testing.assert_close(view.vertices, wanted)
        np.testing.assert_allclose(
            in_image(view.vertices, view.camera, AFFINE, SIZE),
            in_image(
                wanted,
                torch.from_numpy(theirs.hand_camera[0]),
                OTHER_AFFINE,
                2 * SIZE,
            ),
            atol=1e-3,
        )


def test_hands_that_the_other_model_did_not_find_are_left_out(tmp_path):
    path = dump(tmp_path / 'other.npz', [other_sample(present=(1, 0))])
    view = DumpedMeshes(path).view_of(make_sample(), VERTICES)
    assert view.present.tolist() == [True, False]


def test_what_cannot_be_compared_is_refused(tmp_path):
    meshes = DumpedMeshes(dump(tmp_path / 'other.npz', [other_sample()]))
    with pytest.raises(UserError, match='778 vertices, the hand of this model 900'):
        meshes.view_of(make_sample(), 900)
    elsewhere = make_sample()
    elsewhere.set_metainfo(dict(sample_idx=5))
    with pytest.raises(UserError, match='entry 5 of its data set is not there'):
        meshes.view_of(elsewhere, VERTICES)
    another = make_sample()
    another.set_metainfo(dict(id=18))
    with pytest.raises(UserError, match='is 17 hands.jpg, this one is 18 hands.jpg'):
        meshes.view_of(another, VERTICES)
    turned = np.array([[0.0, -1.6, 300.0], [1.6, 0.0, -30.0]])
    path = dump(tmp_path / 'turned.npz', [other_sample(affine=turned)])
    with pytest.raises(UserError, match='is rotated against this one'):
        DumpedMeshes(path).view_of(make_sample(), VERTICES)
    joints_only = other_sample()
    del joints_only.pred_instances.hand_vertices
    path = dump(tmp_path / 'joints.npz', [joints_only])
    with pytest.raises(UserError, match='has no pred/hand_vertices'):
        DumpedMeshes(path)


def test_a_test_draws_the_other_mesh_between_ours_and_the_true_one(
    tmp_path, monkeypatch
):
    visualizer = HandMeshVisualizer(tile=TILE)
    monkeypatch.setattr(Visualizer, 'get_current_instance', lambda: visualizer)
    path = str(dump(tmp_path / 'intaghand.npz', [other_sample(shift=0.02)]))
    plain, compared = (draw(visualizer, compare) for compare in (None, path))
    step = TILE + GAP
    assert compared.shape[1] == plain.shape[1] + step
    # Input, coarse, two refined meshes; then theirs; then the true mesh.
    line = plain.shape[0] // 2
    assert (plain[:line, : 4 * step] == compared[:line, : 4 * step]).all()
    assert (plain[:line, 4 * step :] == compared[:line, 5 * step :]).all()
    tile = compared[:line, 4 * step : 5 * step]
    assert (tile != compared[:line, 3 * step : 4 * step]).any()


def draw(visualizer, compare):
    """The panel that a test's hook gives to the back ends."""
    pictures = []
    visualizer.add_image = lambda name, picture, step: pictures.append(picture)
    runner = SimpleNamespace(
        model=SimpleNamespace(test_cfg={}, hand_model=hand_pair()),
        work_dir='unused',
        timestamp='now',
    )
    hook = dict(type='HandVisualizationHook', enable=True, interval=1, compare=compare)
    hook = HOOKS.build(hook)
    hook.before_test(runner)
    image = torch.zeros(3, SIZE, SIZE, dtype=torch.uint8)
    hook.after_test_iter(runner, 0, dict(inputs=[image]), [make_sample(maps=False)])
    return pictures[0]


def test_compare_without_pictures_is_refused():
    args = SimpleNamespace(show=False, show_dir=None, compare='other.npz')
    with pytest.raises(UserError, match='--compare draws pictures; add --show-dir'):
        runpy.run_path(str(TOOL))['compare_with']({}, args)
