"""InterHand2.6M's two public protocols, as parts of :class:`HandMeshMetric`.

A protocol reads a fixed number of floats from each image (NaN: no ground truth) and
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

from ..functional.pose_errors import lengths, to_planes
from .absolute_hand import joint_regressors, regress
from .image_batch import ImageBatch
from .image_results import mean_of_finite
from .interhand_ground_truth import (
    InterHandGroundTruth,
    in_order,
    read_interhand_ground_truth,
)

NAMES = dict(wrist='WristProtocol', mcp_scaled='MCPScaledProtocol')


class PredictedPair(NamedTuple):
    """Both predicted hands of B images, in the frame that their cameras project."""

    vertices: np.ndarray  # (B, 2, V, 3) metres
    joints: np.ndarray  # (B, 2, 21, 3) metres, regressed, OpenPose order
    origin: np.ndarray  # (B, 2, 3) metres, of that frame in the camera; NaN: nowhere


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
    return MILLIMETRES * lengths(to_planes(pred - gt))


def read_pair(
    batch: ImageBatch, name: str, regressor: np.ndarray, order: np.ndarray
) -> PredictedPair:
    """The predictions of some images.

    Args:
        name: of the protocol, for errors.
        regressor: (2, 21, V), or (21, V) for both hands.
        order: (B, 2) slots of the right and the left hand.
    """
    vertices = batch.predictions('hand_vertices', (2, -1, 3), name)
    origin = batch.predictions('hand_root_cam', (2, 3), name, False)
    vertices = in_order(vertices, order)
    joints = regress(regressor, vertices, batch.images[0])
    return PredictedPair(vertices, joints, in_order(origin, order).astype(np.float64))


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

    def read(self, batch: ImageBatch) -> np.ndarray:
        """(B, 46) mm: 42 joints right then left, 2 meshes, RRVE, MRRPE; NaN where an
        image has no ground truth for it.
        """
        gt = read_interhand_ground_truth(batch, 'WristProtocol')
        pred = read_pair(batch, 'WristProtocol', self.regressor, gt.order)
        wrist = pred.joints[..., WRIST, None, :]
        gt_joints = gt.joints - gt.joints[..., WRIST, None, :]
        # A wrist in the image may have no position in space: nothing to measure from.
        seen = gt.seen & gt.seen[..., WRIST, None]
        joints = np.where(seen, distances(pred.joints - wrist, gt_joints), np.nan)
        meshes, pair = self._mesh_errors(batch, gt, pred)
        return np.concatenate([joints.reshape(len(batch), -1), meshes, pair], axis=1)

    def _mesh_errors(
        self, batch: ImageBatch, gt: InterHandGroundTruth, pred: PredictedPair
    ) -> tuple[np.ndarray, np.ndarray]:
        """MPVPE (B, 2), and RRVE with MRRPE (B, 2), infinite where a predicted camera
        gives no position. Of the right hand RRVE measures what MPVPE does.
        """
        counted = self._counted(batch, gt)
        true = gt.vertices[counted]
        true_wrist = regress(self.regressor[WRIST : WRIST + 1], true, batch.images[0])
        apart = to_planes(pred.vertices[counted])
        apart -= true.swapaxes(1, 2)
        wrist = pred.joints[..., WRIST, :]
        apart -= wrist[counted][..., None] - true_wrist.swapaxes(1, 2)
        meshes = np.full(counted.shape, np.nan)
        meshes[counted] = MILLIMETRES * lengths(apart).mean(-1)
        steps = [
            np.diff(each, axis=1)[:, 0]
            for each in (pred.origin + wrist, gt.joints[..., WRIST, :])
        ]
        miss = steps[0] - steps[1]
        both = gt.interacting & counted.all(1)
        left = both[:, None] & counted & [False, True]
        moved = lengths(apart[left[counted]] + miss[both][..., None]).mean(-1)
        moved *= MILLIMETRES
        seen = gt.seen[..., WRIST].all(1)
        pair = np.full(counted.shape, np.nan)
        pair[both, 0] = (meshes[both, 0] + moved) / 2
        pair[seen, 1] = MILLIMETRES * np.linalg.norm(miss[seen], axis=-1)
        known = np.stack([both, seen], 1)
        return meshes, np.where(known & np.isnan(pair), np.inf, pair)

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

    def _counted(self, batch: ImageBatch, gt: InterHandGroundTruth) -> np.ndarray:
        """(B, 2) bool: hands whose mesh counts."""
        shown = in_order(batch.hand_flags(), gt.order)
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

    A prediction whose bone has no length keeps its scale [decided]; the original
    divides by zero.

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

    def read(self, batch: ImageBatch) -> np.ndarray:
        """(B, 4) mm: joints right, left, vertices right, left; NaN: the image does not
        count.
        """
        name = type(self).__name__
        counts = self._counts(batch)
        gt = batch.labels('hand_vertices', (2, -1, 3), name)[counts]
        joints, length, vertices = self._rooted(gt, batch.images[0])
        pred = batch.predictions('hand_vertices', (2, -1, 3), name)
        found, found_length, mesh = self._rooted(pred[counts], batch.images[0])
        has_length = found_length > 0
        scale = np.where(has_length, length / np.where(has_length, found_length, 1), 1)
        scale = scale[..., None, None]
        errors = np.full((len(batch), 4), np.nan)
        errors[counts, :2] = distances(scale * found, joints).mean(-1)
        errors[counts, 2:] = distances(scale * mesh, vertices).mean(-1)
        return errors

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

    def _counts(self, batch: ImageBatch) -> np.ndarray:
        """(B) bool: whether IntagHand evaluates an image."""
        valid = batch.labels('hand_vertices_valid', (2,), type(self).__name__) > 0
        typed = [np.all(valid) for valid in batch.meta('hand_type_valid', 1)]
        counts = valid.all(1) & batch.hand_flags().all(1) & np.array(typed, bool)
        if self.min_grey is not None:
            for i in np.flatnonzero(counts):
                grey = image_mean(batch.samples[i], batch.images[i])
                counts[i] = grey >= self.min_grey
        return counts

    def _rooted(
        self, vertices: np.ndarray, image: str
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Joints from the knuckle, its distance to the wrist, vertices likewise."""
        joints = regress(self.regressor, vertices, image)
        root = joints[..., MIDDLE, None, :]
        bone = joints[..., MIDDLE, :] - joints[..., WRIST, :]
        return joints - root, np.linalg.norm(bone, axis=-1), vertices - root


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
