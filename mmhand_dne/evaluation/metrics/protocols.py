"""InterHand2.6M's two public protocols, as parts of :class:`HandMeshMetric`.

A protocol reads a fixed number of floats from an image (NaN: no ground truth) and
averages those of all images. Numbers of one never compare with numbers of another.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from mmpose.registry import METRICS

from mmhand_dne.conventions import (
    MIDDLE,
    MILLIMETRES,
    NUM_JOINTS,
    WRIST,
)
from mmhand_dne.errors import UserError

from .absolute_hand import joint_regressors, regress
from .image_results import hand_flags, mean_of_finite, read_field
from .interhand_ground_truth import InterHandGroundTruth, read_interhand_ground_truth

NAMES = dict(wrist='WristProtocol', mcp_scaled='MCPScaledProtocol')


class PredictedPair(NamedTuple):
    """Both predicted hands of an image, in the frame that their cameras project."""

    vertices: np.ndarray  # (2, V, 3) metres
    joints: np.ndarray  # (2, 21, 3) metres, regressed, OpenPose order
    origin: np.ndarray  # (2, 3) metres, of that frame in the camera; NaN: nowhere


def build_protocols(protocols: Sequence, hand_model: dict | None) -> list:
    """Protocols from names, configs or protocols.

    Args:
        protocols: names (see ``NAMES``), or configs with more options.
        hand_model: config of the run's hand, for configs that do not name one.

    Raises:
        ValueError: an unknown name, the same twice, or no hand.
    """
    built = [_build_protocol(protocol, hand_model) for protocol in protocols]
    names = [protocol.name for protocol in built]
    if len(set(names)) < len(names):
        raise UserError(
            f'HandMeshMetric: protocols are {names}; name each protocol once'
        )
    return built


def _build_protocol(protocol: Any, hand_model: dict | None) -> Any:
    if isinstance(protocol, str):
        if protocol not in NAMES:
            raise UserError(
                f'HandMeshMetric: unknown protocol {protocol!r}; choose from '
                f'{sorted(NAMES)}'
            )
        protocol = dict(type=NAMES[protocol])
    if not isinstance(protocol, Mapping):
        return protocol
    protocol = {'hand_model': hand_model, **protocol}
    if protocol['hand_model'] is None:
        raise UserError(
            f'HandMeshMetric: {protocol["type"]} regresses joints from meshes; '
            "give hand_model, the config of the run's hand"
        )
    return METRICS.build(protocol)


def distances(pred: np.ndarray, gt: np.ndarray) -> np.ndarray:
    """(..., 3) metres both -> (...) mm."""
    return MILLIMETRES * np.linalg.norm(pred - gt, axis=-1)


def read_pair(
    sample: dict, image: str, name: str, regressor: np.ndarray, swap: bool
) -> PredictedPair:
    """The prediction of an image.

    Args:
        name: of the protocol, for errors.
        regressor: (2, 21, V), or (21, V) for both hands.
        swap: slot 0 holds the left hand.
    """
    fields, order = sample['pred_instances'], [1, 0] if swap else [0, 1]
    vertices = read_field(fields, 'hand_vertices', (2, -1, 3), image, name).numpy()
    origin = read_field(fields, 'hand_root_cam', (2, 3), image, name, False).numpy()
    vertices = vertices[order]
    return PredictedPair(vertices, regress(regressor, vertices, image), origin[order])


@METRICS.register_module()
class WristProtocol:
    """``wrist/``: InterWild's evaluation, in mm from the wrist, without scaling.

    The ground truth are the annotated joints, never those of a mesh. The predicted
    joints are regressed from the predicted mesh with the regressor of InterHand2.6M's
    right hand (fingertips 745, 317, 445, 556, 673), for both hands. A joint counts
    where it and its wrist are annotated and inside the image; a hand and its mesh
    count where the box of these joints has an area.

    - ``MPJPE_SH``, ``MPJPE_IH``: each of the 42 joints is averaged over the single-hand
      (interacting) images, then the mean over joints; ``MPJPE_All``: the mean of these
      84 averages. A joint that is never seen is left out.
    - ``MPVPE_SH``, ``MPVPE_IH``, ``MPVPE_All``: mean over hands, of which an
      interacting image has two; each mesh relative to its own regressed wrist.
    - ``MRRPE``: left wrist relative to the right one, where both are seen. ``RRVE``:
      all vertices relative to the right wrist, in interacting images with both meshes.

    InterWild evaluates the human-annotated subset: choose it in the data set.

    Args:
        hand_model: config of the run's hand, whose regressor is used.
    """

    name = 'wrist'

    def __init__(self, hand_model: dict):
        self.regressor = joint_regressors(hand_model, 'interhand')[0]

    def read(self, sample: dict, image: str) -> np.ndarray:
        """(46) mm: 42 joints right then left, 2 meshes, RRVE, MRRPE; NaN where the
        image has no ground truth for it.
        """
        gt = read_interhand_ground_truth(sample, image, 'WristProtocol')
        pred = read_pair(sample, image, 'WristProtocol', self.regressor, gt.swapped)
        wrist = pred.joints[:, WRIST, None]
        gt_joints = gt.joints - gt.joints[:, WRIST, None]
        # A wrist in the image may have no position in space: nothing to measure from.
        seen = gt.seen & gt.seen[:, WRIST, None]
        joints = np.where(seen, distances(pred.joints - wrist, gt_joints), np.nan)
        gt_mesh = gt.vertices - regress(
            self.regressor[WRIST : WRIST + 1], gt.vertices, image
        )
        mesh = pred.vertices - wrist
        meshes = np.where(
            self._counted(sample, image, gt),
            distances(mesh, gt_mesh).mean(-1),
            np.nan,
        )
        pair = self._pair_errors(pred, gt, mesh, gt_mesh, meshes)
        return np.concatenate([joints.ravel(), meshes, pair])

    def _pair_errors(
        self,
        pred: PredictedPair,
        gt: InterHandGroundTruth,
        mesh: np.ndarray,
        gt_mesh: np.ndarray,
        meshes: np.ndarray,
    ) -> np.ndarray:
        """RRVE and MRRPE; infinite where the predicted camera gives no position."""
        wrists = pred.origin + pred.joints[:, WRIST]
        gt_wrists = gt.joints[:, WRIST]
        miss = np.diff(wrists, axis=0)[0] - np.diff(gt_wrists, axis=0)[0]
        moved = mesh + np.stack([np.zeros(3), miss])[:, None]
        errors = np.array(
            [distances(moved, gt_mesh).mean(), MILLIMETRES * np.linalg.norm(miss)]
        )
        errors[np.isnan(errors)] = np.inf
        known = [
            gt.interacting and not np.isnan(meshes).any(),
            gt.seen[:, WRIST].all(),
        ]
        return np.where(known, errors, np.nan)

    def scores(self, values: np.ndarray, interacting: np.ndarray) -> dict[str, float]:
        """Averages over images: values (N, 46), interacting (N)."""
        joints, meshes = values[:, : 2 * NUM_JOINTS], values[:, 2 * NUM_JOINTS : -2]
        groups = dict(SH=~interacting, IH=interacting)
        own = {name: _column_means(joints[group]) for name, group in groups.items()}
        own['All'] = np.concatenate(list(own.values()))
        groups['All'] = np.ones(len(values), bool)
        found = {f'MPJPE_{name}': _mean(means) for name, means in own.items()}
        found.update(
            {f'MPVPE_{name}': _mean(meshes[group]) for name, group in groups.items()}
        )
        for name, column in zip(('RRVE', 'MRRPE'), values[:, -2:].T):
            found[name] = mean_of_finite(f'{self.name}/{name}', column)
        return found

    def _counted(
        self, sample: dict, image: str, gt: InterHandGroundTruth
    ) -> np.ndarray:
        """(2) bool: hands whose mesh counts."""
        shown = np.array(hand_flags(sample, image))
        if gt.swapped:
            shown = shown[::-1]
        return gt.vertices_valid & gt.seen.any(-1) & shown


@METRICS.register_module()
class MCPScaledProtocol:
    """``mcp_scaled/``: IntagHand's evaluation, which ACR and others share.

    It takes interacting images with a valid hand type, both meshes, and a raw image
    that is not black. Joints of ground truth and prediction are regressed from the
    meshes (fingertips 745, 317, 444, 556, 673); all of them count. Both are relative to
    the middle knuckle, and each predicted hand is scaled so that its bone from there to
    the wrist has the true length. The mean over images and 21 joints (the knuckle's 0
    too) or all vertices, in mm: ``MPJPE_right``, ``MPJPE_left``, and ``MPJPE``, the
    mean of the two; ``MPVPE`` alike. IntagHand defines no MRRPE.

    A prediction whose bone has no length keeps its scale [decided; the original divides
    by zero].

    Args:
        hand_model: config of the run's hand, whose regressors are used.
        min_grey: an image counts if the mean over its pixels and channels, 0 to 255,
            is at least this; None: every image counts. The mean is the meta key
            ``image_mean``, or computed from the file.
    """

    name = 'mcp_scaled'

    def __init__(self, hand_model: dict, min_grey: float | None = 10.0):
        self.regressor = joint_regressors(hand_model, 'intaghand')
        self.min_grey = min_grey

    def read(self, sample: dict, image: str) -> np.ndarray:
        """(4) mm: joints right, left, vertices right, left; NaN: the image does not
        count.
        """
        if not self._counts(sample, image):
            return np.full(4, np.nan)
        name, labels = type(self).__name__, sample['gt_instance_labels']
        gt = read_field(labels, 'hand_vertices', (2, -1, 3), image, name).numpy()
        joints, length, vertices = self._rooted(gt, image)
        pred = read_pair(sample, image, name, self.regressor, False)
        found, found_length, mesh = self._rooted(pred.vertices, image)
        has_length = found_length > 0
        scale = np.where(has_length, length / np.where(has_length, found_length, 1), 1)
        scale = scale[:, None, None]
        return np.concatenate(
            [
                distances(scale * found, joints).mean(-1),
                distances(scale * mesh, vertices).mean(-1),
            ]
        )

    def scores(self, values: np.ndarray, interacting: np.ndarray) -> dict[str, float]:
        """Averages over images: values (N, 4); interacting is not used."""
        right, left, mesh_right, mesh_left = (_mean(column) for column in values.T)
        return dict(
            MPJPE=(right + left) / 2,
            MPJPE_right=right,
            MPJPE_left=left,
            MPVPE=(mesh_right + mesh_left) / 2,
            MPVPE_right=mesh_right,
            MPVPE_left=mesh_left,
        )

    def _counts(self, sample: dict, image: str) -> bool:
        """Whether IntagHand evaluates this image."""
        labels, name = sample.get('gt_instance_labels', {}), type(self).__name__
        valid = read_field(labels, 'hand_vertices_valid', (2,), image, name) > 0
        typed = np.all(sample.get('hand_type_valid', 1))
        if not (valid.all() and all(hand_flags(sample, image)) and typed):
            return False
        return self.min_grey is None or image_mean(sample, image) >= self.min_grey

    def _rooted(
        self, vertices: np.ndarray, image: str
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Joints relative to the knuckle, its distance to the wrist (2), vertices."""
        joints = regress(self.regressor, vertices, image)
        root = joints[:, MIDDLE, None]
        length = np.linalg.norm(joints[:, MIDDLE] - joints[:, WRIST], axis=-1)
        return joints - root, length, vertices - root


def image_mean(sample: dict, image: str) -> float:
    """Mean over pixels and channels of the raw image, 0 to 255."""
    if 'image_mean' in sample:
        return float(sample['image_mean'])
    pixels = cv2.imread(str(sample.get('img_path')), cv2.IMREAD_COLOR)
    if pixels is None:
        raise UserError(
            f'image {image}: {sample.get("img_path")} cannot be read to see whether it '
            'is black; pack the meta key image_mean, or set min_grey=None'
        )
    return float(pixels.mean())


def _column_means(values: np.ndarray) -> np.ndarray:
    """(N, K) -> (K) means of what is not NaN; NaN for empty columns."""
    known = ~np.isnan(values)
    counts = known.sum(0)
    totals = np.where(known, values, 0).sum(0)
    return np.where(counts > 0, totals / np.maximum(counts, 1), np.nan)


def _mean(values: np.ndarray) -> float:
    """Mean of what is not NaN; NaN where there is nothing."""
    values = values[~np.isnan(values)]
    return float(values.mean()) if values.size else float('nan')
