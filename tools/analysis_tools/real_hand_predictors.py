"""What real_hands.py compares: models, each with the rows that one run of it fills."""

import time
from typing import NamedTuple

import numpy as np
import torch

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.inputs.palm_hands import PalmHands, box_of_square, rgb
from mmhand_dne.conventions import MIRROR_POINTS, OPENPOSE_JOINTS, WRIST
from mmhand_dne.evaluation.functional.result_estimates import (
    coarse_estimate,
    estimate_of_result,
)
from mmhand_dne.evaluation.functional.single_hand_errors import HandEstimate, TrueHand
from mmhand_dne.geometry.hand_rois import HandRoi, roi_of_landmarks
from mmhand_dne.hand_model import SingleHand
from mmhand_dne.structures.hand_landmarks import LandmarkedHand
from mmhand_dne.structures.hand_result import HandResult, ImageResult

CONSTANT, QUICK_START = 'constant pose', 'quick start'
LANDMARKS, FIT = 'landmark net', '+ least squares'
COARSE, REFITTED, REFINED = 'regressor (coarse)', '+ landmarks', 'DNE refined'
GIVEN, UPRIGHT, FOUND = 'given', 'upright', 'found'  # how boxes come about
PALM_SCORE = 0.3  # of the inferencer's default


class Reading(NamedTuple):
    """What was seen in one picture, or in one box of it.

    Attributes:
        rows: estimates of the hands by row of the table.
        seconds: that each row took; absent where it is not known alone.
        hands: typed results, of models that give them.
    """

    rows: dict[str, list[HandEstimate]]
    seconds: dict[str, float]
    hands: tuple[HandResult, ...] = ()


class ConstantPose:
    """The mean hand, upright, its back to the camera, as large as the true box.

    It is told the true side.
    """

    rows, modes = (CONSTANT,), (GIVEN,)

    def __init__(self) -> None:
        hand = SingleHand()
        mesh = hand(hand.mean_rotations[None], torch.zeros(1, 1, 10))
        vertices, joints = (x[0, 0].double().numpy() for x in mesh[:2])
        turn = _upright(joints)
        self.vertices, self.joints = vertices @ turn.T, joints @ turn.T

    def given(self, image: np.ndarray, true: TrueHand, mode: str) -> Reading:
        """The hand in a true hand's box."""
        sign = MIRROR_POINTS if true.side == 'left' else np.ones(3)
        joints, vertices = self.joints * sign, self.vertices * sign
        low, high = joints[:, :2].min(0), joints[:, :2].max(0)
        scale = true.size / (high - low).max()
        middle = (true.corners[:2] + true.corners[2:]) / 2
        pixels = middle + scale * (joints[:, :2] - (low + high) / 2)
        return Reading({CONSTANT: [HandEstimate(pixels, None, joints, vertices)]}, {})


class LandmarkNet:
    """The landmark network, and the hand model fitted to what it reads.

    Args:
        hands: the networks.
        fit: a :class:`LandmarkFit` of the right hand.
    """

    modes = (GIVEN, UPRIGHT, FOUND)

    def __init__(self, hands: PalmHands, fit: torch.nn.Module | None = None) -> None:
        self.hands, self.fit = hands, fit
        self.rows = (LANDMARKS,) if fit is None else (LANDMARKS, FIT)

    def given(self, image: np.ndarray, true: TrueHand, mode: str) -> Reading:
        """The hand in a true hand's box, its direction looked for or told."""
        start = time.perf_counter()
        picture = rgb(image)
        if mode == UPRIGHT:
            square = roi_of_landmarks(true.joints_2d)
            hands = self.hands.landmarker.read([(picture, square)])
        else:
            hands = [self.hands.landmarker.in_box(picture, true.corners)]
        return self._reading(hands, start)

    def found(self, image: np.ndarray) -> Reading:
        """The hands of a whole picture."""
        start = time.perf_counter()
        return self._reading(self.hands.find(image, PALM_SCORE), start)

    def _reading(self, hands: list[LandmarkedHand], start: float) -> Reading:
        rows, seconds = {LANDMARKS: [estimate_of_landmarks(h) for h in hands]}, {}
        seconds[LANDMARKS] = time.perf_counter() - start
        if self.fit is not None:
            rows[FIT] = fitted_estimates(self.fit, hands)
            seconds[FIT] = time.perf_counter() - start
        return Reading(rows, seconds)


class MeshModel:
    """A model of the inferencer, before and after refinement.

    Args:
        inferencer: with its detector.
        row: of the table, '' to leave it out.
        coarse_row: of its mesh before refinement, likewise.
        margin: what boxes about the joints are grown by, of models whose data sets
            annotate larger ones.
        modes: in which it is run.
    """

    def __init__(
        self,
        inferencer: HandMeshInferencer,
        row: str = REFINED,
        coarse_row: str = COARSE,
        margin: float = 1.0,
        modes: tuple[str, ...] = (GIVEN, UPRIGHT, FOUND),
    ) -> None:
        self.inferencer, self.margin, self.modes = inferencer, margin, modes
        self.row = row
        self.coarse_row = coarse_row if inferencer.reader.refines else ''
        self.rows = tuple(name for name in (self.coarse_row, row) if name)
        regressor = inferencer.model.hand_model.joint_regressor
        self.regressor = regressor.double().cpu().numpy()

    def given(self, image: np.ndarray, true: TrueHand, mode: str) -> Reading:
        """The hand in a true hand's box: the most present one that it gives."""
        if mode == UPRIGHT:
            square = roi_of_landmarks(true.joints_2d)
            return self._in_square(image, square, true.side)
        middle, half = (f(true.corners) for f in (_middle, _half))
        corners = [*(middle - self.margin * half), *(middle + self.margin * half)]
        return self._run(image, single=True, bboxes=[corners], presence_thr=0.0)

    def found(self, image: np.ndarray) -> Reading:
        """The hands of a whole picture."""
        return self._run(image, single=False)

    def _in_square(self, image: np.ndarray, square: HandRoi, side: str) -> Reading:
        detector = self.inferencer.detector
        self.inferencer.detector = lambda *_: [box_of_square(square, side)]
        try:
            return self._run(image, single=True)
        finally:
            self.inferencer.detector = detector

    def _run(self, image: np.ndarray, single: bool, **options: object) -> Reading:
        start = time.perf_counter()
        [result] = self.inferencer.results([image], **options)
        seconds = time.perf_counter() - start
        hands = _most_present(result) if single else result.hands
        rows = {}
        if self.coarse_row:
            rows[self.coarse_row] = [coarse_estimate(h, self.regressor) for h in hands]
        if self.row:
            rows[self.row] = [estimate_of_result(hand) for hand in hands]
        return Reading(rows, {self.row: seconds} if self.row else {}, tuple(hands))


def estimate_of_landmarks(hand: LandmarkedHand) -> HandEstimate:
    """A landmark network's reading; its hand in metres is not where the image's is."""
    return HandEstimate(hand.points, hand.side, hand.world)


def fitted_estimates(
    fit: torch.nn.Module, hands: list[LandmarkedHand]
) -> list[HandEstimate]:
    """The hand model fitted to landmarks in the image and in space."""
    if not hands:
        return []
    signs = np.array(
        [MIRROR_POINTS if hand.side == 'left' else np.ones(3) for hand in hands]
    )
    points = np.stack([_ndc(hand) for hand in hands]) * signs[:, None, :2]
    world = np.stack([hand.world for hand in hands]) * signs[:, None]
    state = fit(torch.from_numpy(points), world=torch.from_numpy(world)).state
    vertices, joints, camera = (
        x[:, 0].double().numpy() for x in (state.vertices, state.joints, state.camera)
    )
    found = []
    for i, hand in enumerate(hands):
        ndc = joints[i, :, :2] * camera[i, :, 0] + camera[i, :, 1]
        pixels = hand.roi.centre + ndc * signs[i, :2] * hand.roi.side / 2
        found.append(
            HandEstimate(
                pixels, hand.side, joints[i] * signs[i], vertices[i] * signs[i]
            )
        )
    return found


def _ndc(hand: LandmarkedHand) -> np.ndarray:
    """(21, 2) in an upright square about the middle of the hand's own."""
    return (hand.points - hand.roi.centre) / (hand.roi.side / 2)


def _most_present(result: ImageResult) -> list[HandResult]:
    return sorted(result.hands, key=lambda hand: -hand.presence)[:1]


def _middle(corners: np.ndarray) -> np.ndarray:
    return (corners[:2] + corners[2:]) / 2


def _half(corners: np.ndarray) -> np.ndarray:
    return (corners[2:] - corners[:2]) / 2


def _upright(joints: np.ndarray) -> np.ndarray:
    """(3, 3) that turns a right hand's fingers up and its back to the camera."""
    at = OPENPOSE_JOINTS.index
    up = joints[at('middle1')] - joints[WRIST]
    across = joints[at('pinky1')] - joints[at('index1')]
    up = up / np.linalg.norm(up)
    across = across - up * (across @ up)
    across = across / np.linalg.norm(across)
    axes = np.stack([across, up, np.cross(across, up)])
    return np.diag([1.0, -1.0, -1.0]) @ axes
