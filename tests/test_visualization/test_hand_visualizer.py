"""Panels show what a sample holds, leave out what it lacks, and say errors rightly."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import InstanceData
from mmpose.datasets.datasets.utils import parse_pose_metainfo
from mmpose.registry import MODELS, VISUALIZERS
from mmpose.structures import merge_data_samples
from mmpose.visualization import PoseLocalVisualizer

from mmhand_dne.visualization import HandMeshVisualizer
from mmhand_dne.visualization.canvas.lettering import caption_height, letter_height
from mmhand_dne.visualization.canvas.map_colors import EMPTY
from mmhand_dne.visualization.canvas.mesh_renderer import (
    LEFT_COLOR,
    RIGHT_COLOR,
    render_mesh,
    render_overlay,
)
from mmhand_dne.visualization.canvas.wrist_layout import WIDEST_GAP
from mmhand_dne.visualization.panel.crop_frame import crop_of
from mmhand_dne.visualization.panel.hand_visualizer import ground_truth_of
from mmhand_dne.visualization.panel.mesh_panel import map_tiles
from mmhand_dne.visualization.panel.mesh_views import (
    PanelScene,
    error_line,
    placed_hands,
    prediction_views,
    root_depths,
    view_surfaces,
)
from tests.test_visualization.panel_samples import (
    ROOTS,
    SIZE,
    crop_intrinsics,
    hand_pair,
    make_sample,
    mesh_camera,
    posed_hands,
    sample_image,
)

CONFIG = Path(__file__).parents[2] / 'configs/dne_rendered.py'
TILE = 64  # pixels per picture
BOTH = torch.ones(2, dtype=torch.bool)
INTERHAND = dict(from_file='configs/_base_/datasets/interhand3d.py')


@pytest.fixture(scope='module')
def visualizer():
    visualizer = HandMeshVisualizer(tile=TILE)
    visualizer.set_faces(hand_pair().faces)
    return visualizer


def scene_of(sample, crop=None):
    crop = np.zeros((SIZE, SIZE, 3), np.uint8) if crop is None else crop
    gt = ground_truth_of(sample)
    return PanelScene(crop, hand_pair().faces, SIZE, gt, crop_intrinsics())


def columns(picture):
    return round(picture.shape[1] / (TILE + 4))


def draw(visualizer, sample, **options):
    image = sample_image((1, 1))
    return visualizer.add_datasample('x', image, sample, **options)


def test_it_is_registered_and_takes_its_faces_from_the_hand_model():
    built = VISUALIZERS.build(dict(type='HandMeshVisualizer', name='built'))
    assert torch.equal(built.faces, hand_pair().faces)


def test_a_full_sample_gives_two_rows_of_pictures(visualizer, tmp_path):
    file = tmp_path / 'panel.png'
    picture = draw(visualizer, make_sample(), out_file=str(file))
    assert (
        columns(picture) == 6
    )  # three meshes, input, ground truth, side view; maps, joints
    assert (cv2.imread(str(file))[..., ::-1] == picture).all()


@pytest.mark.parametrize(
    'lacks, expected',
    [
        (dict(maps=False), 6),
        (dict(maps=False, refined=False), 4),  # input, mesh, ground truth, side view
        (dict(maps=False, mesh=False), 6),
        (dict(maps=False, predicted=False), 2),
        (dict(predicted=False), 5),  # five maps
        (dict(present=(1, 0)), 6),
        (dict(present=(0, 1), mesh=False, maps=False), 6),
    ],
)
def test_what_is_missing_is_left_out(visualizer, lacks, expected):
    assert columns(draw(visualizer, make_sample(**lacks))) == expected


def test_ground_truth_and_predictions_can_be_left_out(visualizer):
    assert columns(draw(visualizer, make_sample(maps=False), draw_gt=False)) == 5
    assert columns(draw(visualizer, make_sample(), draw_pred=False)) == 2
    sample = make_sample(maps=False)
    del sample.gt_instance_labels
    assert columns(draw(visualizer, sample)) == 5


def test_the_views_are_those_of_figures_4_and_5():
    sample = make_sample()
    coarse, uncorrected, refined = prediction_views(sample.pred_instances, BOTH)
    vertices, _ = posed_hands()
    torch.testing.assert_close(coarse.vertices, 1.1 * vertices)
    for view in (uncorrected, refined):
        torch.testing.assert_close(view.vertices, vertices)
    torch.testing.assert_close(uncorrected.camera, coarse.camera)
    assert (refined.camera - coarse.camera).abs().max() > 0.1


def test_an_absent_hand_is_not_drawn():
    view = prediction_views(make_sample().pred_instances, torch.tensor([False, True]))
    surfaces = view_surfaces(view[-1], scene_of(make_sample()))
    assert [surface.color for surface in surfaces] == [LEFT_COLOR]


def test_the_refined_mesh_covers_the_imaged_hands():
    sample, image = make_sample(), sample_image((1, 1))
    empty = sample_image((0, 0))
    hands = crop_of((image != empty).any(-1).astype(np.uint8) * 255, sample, 'original')
    view = prediction_views(sample.pred_instances, BOTH)[-1]
    rendering = render_mesh(view_surfaces(view, scene_of(sample)), (SIZE, SIZE))
    drawn = rendering.coverage > 0.5
    seen = hands > 127
    assert (drawn & seen).sum() / (drawn | seen).sum() > 0.9  # not 1: orthographic


def test_the_nearer_hand_by_metric_depth_is_in_front():
    roots = torch.tensor([[0.0, 0.08, 0.7], [0.0, 0.08, 0.9]])
    for first, color in ((0, RIGHT_COLOR), (1, LEFT_COLOR)):
        ordered = roots if first == 0 else roots.flip(0)
        view = prediction_views(make_sample().pred_instances, BOTH)[-1]
        view = view._replace(camera=mesh_camera(ordered))
        depth = root_depths(view, scene_of(make_sample()))
        torch.testing.assert_close(depth, ordered[:, 2], atol=0.012, rtol=0)
        surfaces = view_surfaces(view, scene_of(make_sample()))
        picture = render_overlay(np.zeros((SIZE, SIZE, 3), np.uint8), surfaces, 1.0)
        row, column = 80, SIZE // 2  # both wrists are in the middle
        pixel = picture[row, column] / picture[row, column].max()
        assert np.abs(pixel - np.array(color) / max(color)).max() < 0.05


def test_a_camera_of_negative_scale_does_not_stop_the_picture(visualizer):
    sample = make_sample()
    sample.pred_instances.hand_camera[..., 0] *= -1
    assert columns(draw(visualizer, sample)) == 6


def test_the_side_view_keeps_the_metric_distance_up_to_its_limit():
    view = prediction_views(make_sample().pred_instances, BOTH)[-1]
    view = view._replace(camera=mesh_camera(ROOTS))
    scene = scene_of(make_sample())

    def offset_and_remark(view, scene):
        (right, left), remark = placed_hands(view, scene)
        return left.position - right.position, remark

    offset, remark = offset_and_remark(view, scene)
    np.testing.assert_allclose(offset, ROOTS[1] - ROOTS[0], atol=0.015)
    assert remark == ''
    far = ROOTS.clone()
    far[1, 2] = 1.5
    offset, remark = offset_and_remark(view._replace(camera=mesh_camera(far)), scene)
    assert offset[2] == pytest.approx(WIDEST_GAP)
    told = int(re.search(r'(\d+) mm', remark).group(1))
    assert told == pytest.approx(700, abs=20)
    offset, remark = offset_and_remark(view, scene._replace(intrinsics=None))
    assert not offset.any() and 'unknown' in remark


def test_the_side_view_of_one_hand_or_none_has_no_distance():
    scene = scene_of(make_sample())
    for present in ([False, True], [False, False]):
        view = prediction_views(make_sample().pred_instances, torch.tensor(present))
        hands, remark = placed_hands(view[-1], scene)
        assert [hand.name for hand in hands] == ['L'] * sum(present)
        assert not any(hand.position.any() for hand in hands) and remark == ''


def test_meshes_that_are_not_numbers_do_not_stop_the_picture(visualizer):
    sample = make_sample()
    sample.pred_instances.hand_vertices[:] = np.nan
    assert columns(draw(visualizer, sample)) == 6
    sample.pred_instances.hand_presence[:] = 0
    assert columns(draw(visualizer, sample)) == 6


def test_errors_are_those_of_the_definition():
    sample = make_sample()
    sample.pred_instances.hand_vertices[..., 2] += 0.007
    view = prediction_views(sample.pred_instances, BOTH)[-1]
    scene = scene_of(sample)
    line = error_line(view, scene)
    assert line.startswith('error 7.0 mm')
    shifted = view.camera.clone()
    gt = scene.gt.vertices_ndc[0]
    flat = view._replace(
        vertices=torch.cat([gt, gt[..., :1]], -1),
        camera=torch.tensor([[1.0, 6 / SIZE], [1.0, 8 / SIZE]]).expand_as(shifted),
    )
    assert error_line(flat, scene).endswith(' 5.0 px')  # 3 and 4 pixels
    no_mesh = make_sample(mesh=False)
    assert error_line(view, scene_of(no_mesh)) == ''


def test_maps_come_in_one_picture_each():
    tiles = map_tiles(make_sample().pred_fields, (SIZE, SIZE))
    assert len(tiles) == 5 and len({tile.shape for tile in tiles}) == 1
    assert map_tiles(None, (SIZE, SIZE)) == []


def test_maps_without_any_foreground_are_shown_whole():
    fields = make_sample().pred_fields
    fields.parts[[16, 33]] = 50.0
    bar = caption_height(2, letter_height(SIZE))
    for tile in map_tiles(fields, (SIZE, SIZE))[2:]:
        assert (tile[bar:] != EMPTY).any(axis=-1).all()


def test_the_crop_is_cut_as_the_sample_says():
    sample, image = make_sample(), sample_image((1, 1))
    crop = crop_of(image, sample, 'original')
    assert crop.shape == (SIZE, SIZE, 3)
    # crop (40, 30) is image ((40 + 40) / 0.8, (30 + 10) / 0.8)
    assert np.abs(crop[30, 40].astype(int) - image[50, 100]).max() <= 1
    assert crop_of(crop, sample, 'crop') is crop


def test_frames_that_cannot_be_found_are_refused():
    sample = make_sample()
    with pytest.raises(ValueError, match='choose from'):
        crop_of(sample_image((1, 1)), sample, 'cropped')
    sample.set_metainfo(dict(crop_affine=None))
    with pytest.raises(ValueError, match='crop_affine'):
        crop_of(sample_image((1, 1)), sample, 'original')


def skeleton_picture(visualizer, sample, **options):
    visualizer.set_dataset_meta(parse_pose_metainfo(INTERHAND))
    image = sample_image((1, 1))
    merged = merge_data_samples([sample])
    return image, visualizer.add_datasample(
        'x', image, merged, draw_gt=False, draw_bbox=True, draw_heatmap=True, **options
    )


def test_the_visualizer_of_mmpose_draws_our_samples_unchanged():
    assert_keypoints_are_drawn(make_sample(), at_least=30)


def assert_keypoints_are_drawn(sample, at_least):
    points = sample.pred_instances.keypoints[0].astype(int)
    image, picture = skeleton_picture(PoseLocalVisualizer(), sample)
    height, width = image.shape[:2]
    assert picture.shape == (2 * height, width, 3)  # skeleton over heat map
    changed = (picture[:height] != image).any(axis=-1)
    inside = ((points[:, :2] > 0) & (points[:, :2] < (width, height))).all(axis=1)
    assert (
        inside.sum() >= at_least and changed[points[inside, 1], points[inside, 0]].all()
    )
    assert changed.mean() < 0.3


def test_its_own_skeletons_stay_available(visualizer):
    _, expected = skeleton_picture(PoseLocalVisualizer(), make_sample())
    _, picture = skeleton_picture(visualizer, make_sample(), panel=False)
    assert (picture == expected).all()


def test_samples_of_a_model_without_meshes_give_the_input_alone(visualizer):
    sample = make_sample(maps=False)
    sample.pred_instances = InstanceData(keypoints=np.zeros((1, 42, 3)))
    assert columns(draw(visualizer, sample)) == 2


@pytest.fixture(scope='module')
def predicted():
    """A sample with what an untrained model says of its image."""
    cfg = Config.fromfile(CONFIG)
    cfg.model.refine_head.map_size = SIZE // 4  # stride 4
    init_default_scope('mmpose')
    model = MODELS.build(cfg.model).eval()
    model.test_cfg['output_maps'] = True
    sample = make_sample(predicted=False, maps=False)
    crop = crop_of(sample_image((1, 1)), sample, 'original')[..., ::-1]
    inputs = torch.from_numpy(crop.transpose(2, 0, 1).copy())
    with torch.no_grad():
        return model.test_step(dict(inputs=[inputs], data_samples=[sample]))[0]


def test_predictions_of_the_model_fill_the_panel(visualizer, predicted):
    predicted.pred_instances.hand_presence[:] = 1
    assert columns(draw(visualizer, predicted)) == 6


def test_the_visualizer_of_mmpose_draws_the_models_predictions(predicted):
    assert_keypoints_are_drawn(predicted, at_least=1)
