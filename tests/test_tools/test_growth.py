"""What the page of growth measures, in small."""

import sys
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).parents[2]
CONFIG = ('--config', str(ROOT / 'configs/dne_rendered.py'), '--repeats', '1')


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / 'tools/benchmarks'))
    yield __import__('growth')
    sys.modules.pop('growth', None)


def test_what_is_measured_is_printed_and_drawn(tool, capsys, tmp_path):
    path = tmp_path / 'page/growth.png'
    found = tool.main(
        [*CONFIG, '--axes', 'R', '--values', '1', '8', '--out', str(path)]
    )
    assert found['R'][1] > 0 < found['R'][8]  # which costs more is no test's matter
    printed = capsys.readouterr().out
    assert (
        f'| R | ms a step | 1: {found["R"][1]:.4g}, 8: {found["R"][8]:.4g} |' in printed
    )
    assert cv2.imread(str(path)).std() > 1


def test_numbers_below_the_plots_stay_apart(tool, monkeypatch, tmp_path):
    from matplotlib import pyplot

    figures = []
    monkeypatch.setattr(pyplot, 'close', figures.append)
    costs = {axis: dict.fromkeys(values, 1.0) for axis, values in tool.AXES.items()}
    tool.draw(costs, tmp_path / 'growth.png')
    texts = []
    for plot in figures[0].axes:
        labels = plot.get_xticklabels()
        boxes = [label.get_window_extent() for label in labels]
        assert all(one.x1 + 4 < two.x0 for one, two in zip(boxes, boxes[1:]))
        texts.append([label.get_text() for label in labels])
    assert texts[-1] == ['5k', '20k', '80k'] and texts[0] == ['1', '2', '4']
    monkeypatch.undo()
    pyplot.close(figures[0])


def test_each_axis_changes_what_it_names(tool):
    for axis, key, value in (('M', 'num_stages', 3), ('R', 'num_samples', 4)):
        cfg = tool.load_config('dne', str(ROOT / 'configs/dne_rendered.py'))
        assert tool.changed(cfg, axis, value) == tool.BATCH
        assert cfg.model.refine_head[key] == value
    cfg = tool.load_config('dne', str(ROOT / 'configs/dne_rendered.py'))
    tool.changed(cfg, 'map', 64)
    assert (cfg.input_size, cfg.model.refine_head.map_size) == (256, 64)
    tool.changed(cfg, 'M', 0)
    assert cfg.model.refine_head is None
    assert tool.changed(cfg, 'batch', 5) == 5


def test_one_hand_images_have_no_labels_of_the_left_hand(tool):
    cfg = tool.load_config('dne', str(ROOT / 'configs/dne_rendered.py'))
    network, _ = tool.build('dne', cfg, 'cpu')
    batch = tool.hand_batch(network, 1, cfg.input_size)
    tool.without_left_hand(batch)
    targets = network.targets_of(batch['data_samples'], 'cpu')
    assert targets.vertices_valid.tolist() == [[1, 0]] == targets.presence.tolist()
    assert targets.presence_valid.tolist() == [[1, 1]]
    assert targets.joints_valid[0].sum(-1).tolist() == [21, 0]


def test_frames_and_images_are_axes_too(tool, monkeypatch):
    counts = {'frames': [], 'images': []}
    video, write_files = tool.PyTorchRun.video, tool.write_files

    def counted_video(run, images):
        counts['frames'].append(len(images))
        return video(run, images)

    def counted_files(folder, value):
        counts['images'].append(value)
        return write_files(folder, value)

    monkeypatch.setattr(tool.PyTorchRun, 'video', counted_video)
    monkeypatch.setattr(tool, 'write_files', counted_files)
    found = tool.main([*CONFIG, '--axes', 'images', 'frames', '--values', '2', '20'])
    assert all(seconds > 0 for axis in found.values() for seconds in axis.values())
    assert set(counts['frames']) == set(counts['images']) == {2, 20}


def test_every_point_is_drawn_whole_over_the_value_it_is_of(
    tool, tmp_path, monkeypatch
):
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, 'close', lambda figure: None)  # to be looked at
    tool.draw({'hands': {1: 3.0, 2: 5.0}}, tmp_path / 'page.png')
    (plot,) = pyplot.gcf().axes
    assert plot.get_xticks().tolist() == [1, 2]
    low, high = plot.get_ylim()
    assert low == 0 and high > 5.2
    monkeypatch.undo()
    pyplot.close('all')
