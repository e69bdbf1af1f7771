import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmhand_dne.evaluation.functional.single_hand_errors import HandEstimate, TrueHand
from mmhand_dne.geometry.bounding_boxes import tight_corners
from tests.test_visualization.panel_samples import UPRIGHT, hand_pair
from tests.test_visualization.result_samples import make_hand, sample_image
from tests.tiny_inferencers import noise_image

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'tools/analysis_tools'


@pytest.fixture(autouse=True)
def beside_the_tool(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))


def true_hands():
    """Both hands of the sample image."""
    found = []
    for slot in range(2):
        hand = make_hand(slot)
        corners = tight_corners(hand.joints_2d)
        every = np.ones(21, bool)
        found.append(
            TrueHand(
                corners, hand.joints_2d, every, hand.side, hand.joints, hand.vertices
            )
        )
    return found


def mean_hand(slot):
    """The mean hand, fingers up, its back to the camera."""
    pair = hand_pair()
    rotations = pair.mean_rotations.clone()
    rotations[:, 0] = UPRIGHT
    mesh = pair(rotations[None], torch.zeros(1, 2, 10))
    joints, vertices = (x[0, slot].double().numpy() for x in (mesh.joints, mesh[0]))
    pixels = 600 * joints[:, :2] + (150, 120)
    every = np.ones(21, bool)
    side = ('right', 'left')[slot]
    return TrueHand(tight_corners(pixels), pixels, every, side, joints, vertices)


@pytest.fixture
def group(tmp_path):
    from real_hand_groups import LabelledImage, PictureGroup

    images = []
    for number in range(3):
        path = tmp_path / f'photo_{number}.png'
        cv2.imwrite(str(path), sample_image()[..., ::-1])
        images.append(LabelledImage(path, true_hands()))
    return PictureGroup('made up', images)


class Off:
    """The truth, moved by 10 per cent of the box; finds a hand too many, or too few."""

    modes = ('given', 'found')

    def __init__(self, row='off', extra=0, missed=0, as_other=False):
        self.rows, self.extra, self.missed = (row,), extra, missed
        self.as_other = as_other

    def estimate(self, true):
        joints = true.joints + (0, 0.012, 0)
        joints[0] = true.joints[0]
        pixels = true.joints_2d + (0.1 * true.size, 0)
        return HandEstimate(pixels, true.side, joints, true.vertices)

    def reading(self, estimates):
        from real_hand_predictors import Reading

        return Reading({self.rows[0]: estimates}, {self.rows[0]: 0.02})

    def given(self, image, true, mode):
        right = true_hands()[0]
        return self.reading([self.estimate(right if self.as_other else true)])

    def found(self, image):
        far = self.estimate(true_hands()[0])
        far = far._replace(joints_2d=far.joints_2d + 1000)
        hands = [self.estimate(true) for true in true_hands()[self.missed :]]
        return self.reading([far] * self.extra + hands)


def rows_of(group, mode, *predictors):
    from real_hand_scores import score_group, table_rows

    rows = table_rows(group.title, mode, score_group(group, predictors, mode).rows)
    return {(row['group'], row['predictor']): row for row in rows}


def test_a_known_error_is_what_the_table_says(group):
    row = rows_of(group, 'given', Off())['made up', 'off']
    assert (row['hands'], row['of']) == (6, 6)
    assert (row['side_right'], row['side_known']) == (6, 6)
    assert row['2D_mean'] == pytest.approx(10, abs=1e-4) == row['2D_median']
    assert row['MPJPE'] == pytest.approx(12, abs=1e-4)
    assert row['MPVPE'] == pytest.approx(0, abs=1e-4)
    assert row['ms'] == pytest.approx(20) and row['false_hands'] is None
    assert [hand['picture'] for hand in row['each']][::2] == [
        f'photo_{i}.png' for i in range(3)
    ]


def test_found_missed_and_false_hands_are_counted(group):
    row = rows_of(group, 'found', Off(extra=2, missed=1))['made up', 'off']
    assert (row['hands'], row['of']) == (3, 6)
    assert (row['false_hands'], row['pictures']) == (6, 3)
    assert row['2D_mean'] == pytest.approx(10, abs=1e-4)


def test_false_hands_are_not_counted_where_not_every_hand_is_known(group):
    open_group = group._replace(
        images=[image._replace(complete=False) for image in group.images]
    )
    row = rows_of(open_group, 'found', Off(extra=2))['made up', 'off']
    assert row['hands'] == 6 and row['false_hands'] is None


def test_hands_that_the_landmark_net_takes_for_the_other_are_told_apart(group):
    net = Off('landmark net', as_other=True)  # always sees the right hand
    rows = rows_of(group, 'given', net, Off())
    assert rows['made up', 'landmark net']['side_right'] == 3
    title = 'made up, hands that the landmark net takes for no other'
    assert rows[title, 'landmark net']['of'] == 3 == rows[title, 'off']['of']
    assert rows[title, 'landmark net']['side_right'] == 3


def test_groups_are_pooled_hand_by_hand(group):
    from real_hand_scores import pooled, score_group, table_rows

    small = group._replace(images=group.images[:1])
    parts = [score_group(g, [Off()], 'found').rows for g in (group, small)]
    [row] = table_rows('both', 'found', pooled(parts))
    assert (row['hands'], row['of'], row['pictures']) == (8, 8, 4)


def test_whatever_is_found_in_a_picture_without_hands_is_false(tmp_path):
    from real_hand_groups import picture_files
    from real_hand_scores import score_empty

    for number in range(2):
        cv2.imwrite(str(tmp_path / f'{number}.png'), noise_image(seed=number))
    scores = score_empty(picture_files(tmp_path), [Off(missed=1)])
    assert scores['off'].false_hands == [1, 1] and not scores['off'].hands


@pytest.mark.parametrize('slot', [0, 1])
def test_the_constant_hand_fills_the_box_and_shows_its_back(slot):
    from real_hand_predictors import ConstantPose

    true = mean_hand(slot)
    [found] = ConstantPose().given(None, true, 'given').rows['constant pose']
    corners = tight_corners(found.joints_2d)
    assert (corners[2:] - corners[:2]).max() == pytest.approx(true.size)
    assert np.allclose(corners[:2] + corners[2:], true.corners[:2] + true.corners[2:])
    gaps = (found.joints - found.joints[0]) - (true.joints - true.joints[0])
    assert np.linalg.norm(gaps, axis=1).max() < 0.025


@pytest.mark.parametrize('slot', [0, 1])
def test_a_fit_to_true_landmarks_gives_the_hand_back(slot):
    from real_hand_predictors import fitted_estimates

    from mmhand_dne.geometry.hand_rois import roi_of_landmarks
    from mmhand_dne.models.fitting import LandmarkFit
    from mmhand_dne.structures.hand_landmarks import LandmarkedHand

    true = mean_hand(slot)
    read = LandmarkedHand(
        roi_of_landmarks(true.joints_2d),
        true.joints_2d,
        np.zeros(21),
        true.joints,
        1.0,
        1.0 - slot,
    )
    [found] = fitted_estimates(LandmarkFit(dict(type='SingleHand')), [read])
    assert found.side == true.side
    gaps = np.linalg.norm(found.joints_2d - true.joints_2d, axis=1)
    assert gaps.mean() < 0.005 * true.size
    gaps = (found.joints - found.joints[0]) - (true.joints - true.joints[0])
    assert np.linalg.norm(gaps, axis=1).mean() < 0.003


def test_sheets_hold_eight_pictures_a_page(tmp_path):
    from real_hand_sheets import COLUMNS, TILE, tile, write_pages

    path = tmp_path / 'photo.png'
    cv2.imwrite(str(path), sample_image()[..., ::-1])
    with_hands = tile(path, [make_hand(0)], 'photo: 3.2 %')
    without = tile(path, [], 'photo: no hand')
    assert with_hands.shape == without.shape and (with_hands != without).any()
    pages = write_pages(tmp_path, 'set', [with_hands] * 8 + [without])
    assert [page.name for page in pages] == ['set_1.jpg', 'set_2.jpg']
    assert cv2.imread(str(pages[0])).shape[1] >= COLUMNS * TILE


def test_a_table_has_a_cell_for_each_column(group):
    from real_hands import COLUMNS, plain, table

    rows = list(rows_of(group, 'given', Off()).values())
    lines = table(rows).splitlines()
    assert {line.count('|') for line in lines} == {len(COLUMNS) + 1}
    assert '6 of 6' in lines[-1] and '| - |' in lines[-1]
    json.dumps(plain(rows), allow_nan=False)


def test_the_metafile_gets_the_refined_hands_numbers(group):
    import yaml
    from real_hands import metafile_results

    rows = rows_of(group, 'given', Off('DNE refined'), Off()).values()
    [entry] = yaml.safe_load(metafile_results(list(rows)))['Results']
    assert entry['Dataset'] == 'made up, boxes given'
    assert entry['Metrics']['2D mean %'] == 10.0 and entry['Metrics']['MPJPE'] == 12.0
    assert 'in 90 %' not in entry['Metrics']


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, FOLDER / 'real_hands.py', *map(str, arguments)],
        cwd=ROOT,
        text=True,
        capture_output=True,
        env={**os.environ, 'MMHAND_REAL_DATA': '', **environment},
    )


def test_nothing_to_score_on_is_said_in_one_sentence():
    done = run()
    assert done.returncode == 2
    assert 'give --data, --rendered or --false-hands' in done.stderr


def test_the_annotated_photos_are_read_as_they_are_described(real_data):
    from real_hand_groups import freihand_group, interhand_group

    freihand = freihand_group(real_data / 'freihand')
    interhand = interhand_group(real_data / 'interhand2.6m')
    assert len(freihand.images) == 8 and len(interhand.images) == 4
    hands = [hand for image in interhand.images for hand in image.hands]
    assert [hand.side for hand in hands].count('left') == 3 and len(hands) == 6
    for group in (freihand, interhand):
        for image in group.images:
            height, width = cv2.imread(str(image.path)).shape[:2]
            for hand in image.hands:
                low, high = hand.corners[:2], hand.corners[2:]
                assert (low > 0).all() and (high < (width, height)).all()
                assert hand.size > 50
