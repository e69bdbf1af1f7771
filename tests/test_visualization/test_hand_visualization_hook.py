"""Pictures during a test: how many, of what, and where they go."""

import os
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger
from mmengine.visualization import Visualizer
from mmpose.registry import HOOKS

from mmhand_dne.engine.hooks.hand_visualization_hook import (
    crop_from_input,
    picture_name,
)
from mmhand_dne.visualization import HandMeshVisualizer
from mmhand_dne.visualization.canvas.lettering import caption_height, letter_height
from tests.test_visualization.panel_samples import SIZE, hand_pair, make_sample

TILE = 48


@pytest.fixture
def runner(tmp_path, monkeypatch):
    visualizer = HandMeshVisualizer(tile=TILE)
    monkeypatch.setattr(Visualizer, 'get_current_instance', lambda: visualizer)
    return SimpleNamespace(
        model=SimpleNamespace(test_cfg=dict(flip_test=True), hand_model=hand_pair()),
        work_dir=str(tmp_path),
        timestamp='now',
        logger=MMLogger.get_instance('pictures'),
        iter=7,
    )


def batch(first, count):
    """Inputs as the loader gives them (BGR) and evaluated samples."""
    rng = np.random.default_rng(first)
    images = rng.integers(0, 256, (count, 3, SIZE, SIZE), dtype=np.uint8)
    samples = [
        make_sample(mesh=False, predicted=False, maps=False) for _ in range(count)
    ]
    for index, sample in enumerate(samples, start=first):
        sample.set_metainfo(dict(id=index, img_path=f'a/image{index}.jpg'))
    return dict(inputs=[torch.from_numpy(image) for image in images]), samples


def run_test(runner, batches=((0, 3), (3, 3)), **options):
    hook = HOOKS.build(dict(type='HandVisualizationHook', enable=True, **options))
    hook.before_test(runner)
    for number, (first, count) in enumerate(batches):
        hook.after_test_iter(runner, number, *batch(first, count))
    hook.after_test(runner)
    return hook


@pytest.mark.parametrize(
    'options, ids',
    [
        (dict(interval=1), [0, 1, 2, 3, 4, 5]),
        (dict(interval=2), [0, 2, 4]),
        (dict(interval=4), [0, 4]),
        (dict(interval=1, max_images=2), [0, 1]),
    ],
)
def test_every_interval_th_image_becomes_a_file(runner, options, ids):
    run_test(runner, out_dir='pictures', **options)
    folder = os.path.join(runner.work_dir, 'now', 'pictures')
    expected = sorted(f'{index}_image{index}.png' for index in ids)
    assert sorted(os.listdir(folder)) == expected


def test_an_absolute_folder_stays_where_it_is(runner, tmp_path):
    folder = tmp_path / 'elsewhere'
    run_test(runner, batches=[(0, 1)], interval=1, out_dir=str(folder))
    picture = cv2.imread(str(folder / '0_image0.png'))[..., ::-1]
    inputs = batch(0, 1)[0]['inputs'][0].numpy()[::-1].transpose(1, 2, 0)
    small = cv2.resize(inputs, (TILE, TILE), interpolation=cv2.INTER_LINEAR)
    top = caption_height(2, letter_height(TILE))
    below_the_label = slice(top, top + TILE)
    assert (picture[below_the_label, :TILE] == small).all()


def test_the_model_returns_maps_during_a_test_only(runner):
    hook = HOOKS.build(dict(type='HandVisualizationHook', enable=True))
    hook.before_test(runner)
    assert runner.model.test_cfg == dict(flip_test=True, output_maps=True)
    hook.after_test(runner)
    assert not runner.model.test_cfg['output_maps']


def test_a_hook_that_is_off_does_nothing(runner):
    hook = HOOKS.build(dict(type='HandVisualizationHook', out_dir='pictures'))
    hook.before_test(runner)
    hook.after_test_iter(runner, 0, *batch(0, 1))
    hook.after_val_iter(runner, 0, *batch(0, 1))
    assert runner.model.test_cfg == dict(flip_test=True)
    assert os.listdir(runner.work_dir) == []


def test_without_a_folder_pictures_go_to_the_back_ends(runner, monkeypatch):
    names = []
    monkeypatch.setattr(
        HandMeshVisualizer, 'add_image', lambda self, name, *args: names.append(name)
    )
    hook = run_test(runner, batches=[(0, 2)], interval=1)
    for number in range(3):
        hook.interval = 2
        hook.after_val_iter(runner, number, *batch(0, 1))
    assert names == ['test_img', 'test_img', 'val_img/0', 'val_img/2']


def test_crops_become_rgb_pictures():
    image = torch.arange(12, dtype=torch.uint8).reshape(3, 2, 2)
    assert crop_from_input(image, 'bgr')[0, 1].tolist() == [9, 5, 1]
    assert crop_from_input(image, 'rgb')[0, 1].tolist() == [1, 5, 9]


def test_pictures_are_named_after_the_annotation():
    assert picture_name(make_sample(), 3) == '17_hands.png'


def test_wrong_options_and_another_visualizer_are_refused(runner, monkeypatch):
    with pytest.raises(ValueError, match='channel_order'):
        HOOKS.build(dict(type='HandVisualizationHook', channel_order='gbr'))
    with pytest.raises(ValueError, match='interval'):
        HOOKS.build(dict(type='HandVisualizationHook', interval=0))
    monkeypatch.setattr(Visualizer, 'get_current_instance', lambda: Visualizer('other'))
    with pytest.raises(ValueError, match='HandMeshVisualizer'):
        run_test(runner, batches=[(0, 1)])
