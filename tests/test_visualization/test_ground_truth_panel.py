"""Ground truth lies on the hands, in crop and original image, mirrored or not."""

import cv2
import numpy as np
import pytest
import torch

from mmhand_dne.visualization.canvas.drawing import finger_color
from mmhand_dne.visualization.canvas.lettering import caption_height, letter_height
from mmhand_dne.visualization.canvas.mesh_renderer import LEFT_COLOR, RIGHT_COLOR
from mmhand_dne.visualization.panel import ground_truth_panel as gt_panel
from mmhand_dne.visualization.panel.ground_truth_panel import (
    BOX_COLOR,
    draw_ground_truth,
)
from tests.test_visualization.panel_samples import (
    AFFINE,
    ORIGINAL,
    SIZE,
    hand_pair,
    make_sample,
    sample_image,
)


def mirror(sample):
    """The same sample, flipped by a transform: slots, geometry and crop."""
    labels = sample.gt_instance_labels
    flipped = {}
    for name, value in labels.items():
        if name != 'crop_intrinsics':
            flipped[name] = value.flip(1)
    for name in ('hand_vertices', 'hand_joints', 'hand_root_cam', 'hand_joints_ndc'):
        flipped[name] = flipped[name].clone()
        flipped[name][..., 0] *= -1
    across = np.array([[-1.0, 0, SIZE - 1], [0, 1, 0], [0, 0, 1]])
    mirrored = torch.diag(torch.tensor([-1.0, 1, 1]))
    intrinsics = torch.from_numpy(across).float() @ labels.crop_intrinsics @ mirrored
    flipped['crop_intrinsics'] = intrinsics
    for name, value in flipped.items():
        labels[name] = value
    # The image is mirrored first, and the box with it.
    whole = np.array([[-1.0, 0, ORIGINAL[1] - 1], [0, 1, 0], [0, 0, 1]])
    affine = across @ np.concatenate([AFFINE, [[0, 0, 1]]]) @ whole
    sample.set_metainfo(dict(crop_affine=affine[:2], flip=True))
    left, top, right, bottom = sample.gt_instances.bboxes[0]
    sides = ORIGINAL[1] - 1 - right, top, ORIGINAL[1] - 1 - left, bottom
    sample.gt_instances.bboxes = np.array([sides])
    return sample


def pictures(picture, height, width):
    """The pictures of a panel, without labels and gaps."""
    count = round(picture.shape[1] / (width + 4))
    starts = [i * (width + 4) for i in range(count)]
    top = caption_height(2, letter_height(width))
    return [picture[top : top + height, start : start + width] for start in starts]


def original(sample):
    drawn = draw_ground_truth(
        sample_image((1, 1)), sample, hand_pair().faces, True, tile=1
    )
    return pictures(drawn, *ORIGINAL)


def hue_share(picture, mask, color):
    """Share of a mask whose pixels have a colour's hue."""
    pixels = picture[mask] / picture[mask].max(axis=-1, keepdims=True).clip(1)
    return (np.abs(pixels - np.array(color) / max(color)).max(axis=-1) < 0.25).mean()


def test_the_mesh_covers_the_imaged_hands():
    image, empty = sample_image((1, 1)), sample_image((0, 0))
    mesh = original(make_sample())[1]
    seen = (image != empty).any(axis=-1)
    drawn = (mesh != image).any(axis=-1)
    assert (seen & drawn).sum() / (seen | drawn).sum() > 0.98


def test_a_mirrored_sample_lies_on_the_same_hands_in_the_same_colours():
    plain, mirrored = original(make_sample())[1], original(mirror(make_sample()))[1]
    right = (sample_image((1, 0)) != sample_image((0, 0))).any(axis=-1)
    left = (sample_image((0, 1)) != sample_image((0, 0))).any(axis=-1)
    for picture in (plain, mirrored):
        assert hue_share(picture, right & ~left, RIGHT_COLOR) > 0.9
        assert hue_share(picture, left & ~right, LEFT_COLOR) > 0.9


def test_a_mirrored_crop_is_the_mirrored_picture():
    crop = cv2.warpAffine(sample_image((1, 1)), AFFINE, (SIZE, SIZE))
    faces = hand_pair().faces
    plain = draw_ground_truth(crop, make_sample(), faces, tile=1)
    flipped = np.ascontiguousarray(crop[:, ::-1])
    mirrored = draw_ground_truth(flipped, mirror(make_sample()), faces, tile=1)
    plain, mirrored = (pictures(p, SIZE, SIZE)[1] for p in (plain, mirrored))
    drawn, again = (plain != crop).any(-1), (mirrored != flipped).any(-1)
    assert (drawn != again[:, ::-1]).mean() < 0.01


@pytest.mark.parametrize('in_original', [True, False])
def test_joints_sit_on_their_pixels(in_original):
    sample = make_sample()
    ndc = sample.gt_instance_labels.hand_joints_ndc[0].numpy()
    pixels = ((ndc + 1) * SIZE - 1) / 2
    image = cv2.warpAffine(sample_image((1, 1)), AFFINE, (SIZE, SIZE))
    if in_original:
        image, pixels = sample_image((1, 1)), (pixels - AFFINE[:, 2]) / 0.8
    drawn = draw_ground_truth(image, sample, hand_pair().faces, in_original, tile=1)
    picture = pictures(drawn, *image.shape[:2])[0]
    wrist = np.rint(pixels[0, 0]).astype(int)
    assert np.abs(picture[wrist[1], wrist[0]].astype(int) - finger_color(0)).max() < 40


def test_invalid_joints_are_absent_and_flat_ones_hollow(monkeypatch):
    seen = []

    def record(image, joints, valid, color, hollow, radius):
        seen.append((valid.copy(), hollow.copy()))
        return image

    monkeypatch.setattr(gt_panel, 'draw_skeleton', record)
    sample = make_sample()
    sample.gt_instance_labels.hand_joints_ndc_valid[0, 0, 5] = 0
    sample.gt_instance_labels.hand_joints_valid[0, 1] = 0
    original(sample)
    (valid, hollow), (left_valid, left_hollow) = seen
    assert np.flatnonzero(~valid).tolist() == [5] and not hollow.any()
    assert left_valid.all() and left_hollow.all()


def test_joint_only_samples_are_drawn_as_skeletons_alone():
    assert len(original(make_sample(mesh=False))) == 1
    assert len(original(make_sample())) == 2


@pytest.mark.parametrize('change', [lambda sample: sample, mirror])
def test_the_box_is_drawn_where_the_annotation_has_it(change):
    sample = make_sample()
    left, top, right, bottom = np.rint(sample.gt_instances.bboxes[0]).astype(int)
    picture = original(change(sample))[0]
    edge = picture[top + 5 : bottom - 5, left].astype(int)
    assert np.median(np.abs(edge - BOX_COLOR).max(axis=-1)) < 60
    inside = picture[top + 5 : bottom - 5, left + 5].astype(int)
    assert np.median(np.abs(inside - BOX_COLOR).max(axis=-1)) > 60
