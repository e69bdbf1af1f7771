"""From predictions on crops to hands in the image's frame."""

from collections.abc import Sequence

import numpy as np
import torch
from mmpose.structures import PoseDataSample
from torch import Tensor

from mmhand_dne.conventions import (
    FINGER_JOINTS,
    MILLIMETRES,
    MIRROR_POINTS,
    NUM_JOINTS,
    SIDES,
    WRIST,
)
from mmhand_dne.gaussian.wrist import without_wrist
from mmhand_dne.geometry.camera import (
    mirror_pixels,
    ndc_to_pixels,
    perspective_translation,
    project,
)
from mmhand_dne.geometry.rotation import axis_angle_from_matrix
from mmhand_dne.geometry.weak_perspective import (
    Size,
    translation_with_intrinsics,
    weak_camera,
)
from mmhand_dne.models.estimators.hand_mesh_estimator import HandMeshEstimator
from mmhand_dne.models.heads.mano_decoder_head import MANODecoderHead
from mmhand_dne.structures.hand_result import HandResult, ManoParameters

from .crops import Crop, crop_rotation, to_image, upright_affine

NUM_FINGER_JOINTS = NUM_JOINTS - 1  # those that have error bars


class PredictionReader:
    """Reads :class:`HandResult` from a model's predictions.

    A model's frame is its crop's: rotated about the optical axis where the box was
    rotated, mirrored where a left hand was made a right one. Both are undone here.
    Points in the image go through the camera that the model was trained with: scaled
    orthographic, or HaMeR's perspective one where it has that.
    """

    def __init__(self, model: HandMeshEstimator) -> None:
        self.model = model
        self.num_slots = model.num_slots
        self.refines = model.refine_head is not None
        head = model.mano_head
        # Whether it judges presence; a head of one hand may take it for granted.
        self.tells_presence = getattr(head, 'tells_presence', self.num_slots > 1)
        self.perspective = isinstance(head, MANODecoderHead) and not self.refines
        official = self.perspective and head.official_camera
        self.origin = head.origin if official else None
        faces = model.hand_model.faces.cpu().numpy()
        # A mirrored right hand is wound the other way round.
        self.faces = dict(
            right=faces[0],
            left=(faces[1] if len(faces) > 1 else faces[0][:, ::-1].copy()),
        )

    def read(
        self, samples: Sequence[PoseDataSample], crops: Sequence[Crop], metric: bool
    ) -> list[list[HandResult]]:
        """The hands of each crop, whatever their presence.

        Args:
            samples: data samples with ``pred_instances``.
            crops: what they were predicted from.
            metric: whether the intrinsics are the camera's own.
        """
        views = [CropView(sample, crop) for sample, crop in zip(samples, crops)]
        roots = self._mano_roots(views)
        points = [self._points_in_crop(view) for view in views]
        return [
            [
                self._hand_result(view, side, roots[i], points[i], metric)
                for side in view.crop.sides
            ]
            for i, view in enumerate(views)
        ]

    @torch.no_grad()
    def _mano_roots(self, views: list['CropView']) -> np.ndarray:
        """(B, S, 3) wrists in MANO's frame, of the upright global rotations."""
        hand = self.model.hand_model
        like = hand.template
        rotations = np.stack([view.rotations for view in views])[:, : self.num_slots]
        betas = np.stack([view.pred.mano_betas[0] for view in views])
        mesh = hand(
            torch.as_tensor(rotations).to(like),
            torch.as_tensor(betas[:, : self.num_slots]).to(like),
        )
        return mesh.root.double().cpu().numpy()

    @torch.no_grad()
    def _points_in_crop(self, view: 'CropView') -> dict[str, np.ndarray]:
        """Joints and vertices in crop NDC, (S, N, 2) each, by name."""
        fields = dict(
            joints=('hand_joints', 'hand_camera'),
            vertices=('hand_vertices', 'hand_camera'),
        )
        if self.refines:
            fields['coarse_vertices'] = ('coarse_vertices', 'coarse_camera')
        root = view.tensor('hand_root')
        return {
            name: self._ndc(view.tensor(points), view.tensor(camera), root)[0].numpy()
            for name, (points, camera) in fields.items()
        }

    def _ndc(self, points: Tensor, camera: Tensor, root: Tensor) -> Tensor:
        """(1, S, N, 3) wrist-relative to (1, S, N, 2) crop NDC, float64."""
        if not self.perspective:
            return project(points, camera).double()
        points, root = points[:, :1], root[:, :1]
        head = self.model.mano_head
        weak = weak_camera(camera[:, :1], root, head.origin, head.image_size)
        return head.project(points + root[..., None, :], weak).double()

    def _hand_result(
        self,
        view: 'CropView',
        side: str,
        roots: np.ndarray,
        points: dict[str, np.ndarray],
        metric: bool,
    ) -> HandResult:
        """One hand of a crop.

        Args:
            roots: (S, 3) of :meth:`_mano_roots`.
            points: of :meth:`_points_in_crop`.
        """
        slot = SIDES.index(side) if self.num_slots > 1 else 0
        found, said = view.crop.box.presence, 'detector'
        if found is None:
            found = view.pred.hand_presence[0, slot]
            said = 'model' if self.tells_presence else 'nobody'
        fields = dict(
            _mesh(view, slot, roots[slot], points['vertices'], self.origin),
            side=side,
            presence=float(found),
            presence_of=said,
            faces=self.faces[side],
            intrinsics=view.crop.intrinsics,
            metric=metric,
            box=np.asarray(view.crop.box.corners),
            crop_affine=view.upright_affine(),
        )
        for name, ndc in points.items():
            fields[f'{name}_2d'] = view.to_pixels(ndc[slot])
        if self.refines:
            fields['coarse_vertices'] = view.to_axes(view.coarse_vertices(slot))
        if 'hand_joint_covariance' in view.pred:
            fields.update(_error_bars(view, slot))
        return HandResult(
            **{name: _as_float32(value) for name, value in fields.items()}
        )


def _mesh(
    view: 'CropView',
    slot: int,
    root: np.ndarray,
    seen: np.ndarray,
    origin: Size | None,
) -> dict[str, object]:
    """The fields of a hand that are its mesh, parameters and camera.

    Args:
        root: (3,) the wrist in MANO's frame, metres.
        seen: (S, V, 2) the vertices in crop NDC.
        origin: NDC of HaMeR's camera, whose depth is that of MANO's origin; None where
            the mesh is placed where it is seen.
    """
    wrist = view.wrist(slot)
    camera = view.wrist_camera(slot)
    vertices = view.pred.hand_vertices[0, slot] - wrist
    joints = view.pred.hand_joints[0, slot] - wrist
    if origin is not None:
        translation = view.official_translation(slot, origin) + wrist
    else:
        translation = view.translation(camera, vertices, seen[slot])
    return dict(
        vertices=view.to_axes(vertices),
        joints=view.to_axes(joints),
        mano=_mano_parameters(view, slot, root, translation - wrist),
        translation=view.to_axes(translation),
        crop_camera=view.upright_camera(camera),
    )


def _mano_parameters(
    view: 'CropView', slot: int, root: np.ndarray, origin: np.ndarray
) -> ManoParameters:
    """Parameters of the true side.

    Args:
        root: (3,) the wrist in MANO's frame, metres.
        origin: (3,) of the predicted points, metres from the camera, crop's axes.
    """
    mirror = MIRROR_POINTS if view.flip else np.ones(3)
    rotations = view.rotations[slot] * mirror[:, None] * mirror
    vectors = axis_angle_from_matrix(torch.from_numpy(rotations)).numpy()
    return ManoParameters(
        global_orient=_as_float32(vectors[0]),
        hand_pose=_as_float32(vectors[1:].ravel()),
        betas=_as_float32(view.pred.mano_betas[0, slot]),
        transl=_as_float32(view.to_axes(origin) - root * mirror),
    )


def _error_bars(view: 'CropView', slot: int) -> dict[str, np.ndarray]:
    """The fields of a hand that say how sure the model is of its joints."""
    covariance = view.to_axes_squared(view.covariance(slot))
    joints = (NUM_FINGER_JOINTS, 3)
    blocks = np.zeros((NUM_JOINTS, 3, 3))
    blocks[FINGER_JOINTS] = np.einsum('jajb->jab', covariance.reshape(joints * 2))
    std = np.sqrt(np.trace(blocks, axis1=1, axis2=2))
    return dict(
        joint_covariance=blocks,
        joint_covariance_full=covariance,
        joint_std=MILLIMETRES * std,
    )


class CropView:
    """One prediction with the way back from its crop to the image.

    Attributes:
        pred: the predicted fields, (1, S, ...) each.
        crop: what they were predicted from.
        flip: whether the crop shows the mirrored image.
        rotation: (3, 3) from the image's camera axes to the crop's.
        rotations: (2, 16, 3, 3) MANO's, the first one in the image's axes, of an image
            that may be mirrored.
    """

    def __init__(self, sample: PoseDataSample, crop: Crop) -> None:
        self.pred, self.crop, meta = sample.pred_instances, crop, sample.metainfo
        self.flip, self.affine = bool(meta['flip']), np.asarray(meta['crop_affine'])
        self.width = meta['ori_shape'][1]
        self.size = tuple(int(side) for side in meta['input_size'])  # W, H
        self.rotation = crop_rotation(self.affine)
        self.intrinsics = sample.gt_instance_labels.crop_intrinsics[0].double()
        rotations = self.pred.mano_rotations[0].astype(np.float64)
        rotations[:, 0] = self.rotation.T @ rotations[:, 0]
        self.rotations = rotations

    def tensor(self, name: str) -> Tensor:
        """A predicted field (1, S, ...) on the CPU, float64."""
        return torch.from_numpy(np.asarray(self.pred[name])).double()

    def wrist(self, slot: int) -> np.ndarray:
        """(3,) float64, the wrist among the predicted points."""
        return self.pred.hand_joints[0, slot, WRIST].astype(np.float64)

    def coarse_vertices(self, slot: int) -> np.ndarray:
        """(V, 3) before refinement, relative to their own wrist, crop's axes."""
        pred = self.pred
        return pred.coarse_vertices[0, slot] - pred.coarse_joints[0, slot, WRIST]

    def wrist_camera(self, slot: int) -> np.ndarray:
        """(2, 2) crop camera of points relative to the wrist.

        The model's own is of points relative to the coarse stage's wrist, from which
        the last stage's may have moved.
        """
        scale, shift = self.pred.hand_camera[0, slot].astype(np.float64).T
        return np.stack([scale, shift + scale * self.wrist(slot)[:2]], 1)

    def upright_camera(self, camera: np.ndarray) -> np.ndarray:
        """A crop camera (2, 2) of the crop that is not mirrored."""
        shift_sign = -1.0 if self.flip else 1.0
        return camera * np.array([[1.0, shift_sign], [1.0, 1.0]])

    def upright_affine(self) -> np.ndarray:
        """(2, 3) from the image to its crop, neither mirrored."""
        return upright_affine(self.affine, self.flip, self.width, self.size[0])

    def covariance(self, slot: int) -> np.ndarray:
        """(60, 60) m^2 of joints 1 to 20 from the wrist, crop's axes."""
        covariance = self.pred.hand_joint_covariance[0, slot]
        return without_wrist(covariance.astype(np.float64))

    def translation(
        self, camera: np.ndarray, points: np.ndarray, seen: np.ndarray
    ) -> np.ndarray:
        """(3,) the origin of points (N, 3) that are seen at crop NDC (N, 2), metres
        from the camera, in the crop's axes; NaN where a scale of the crop camera (2, 2)
        is not positive.
        """
        if not (camera[:, 0] > 0).all():
            return np.full(3, np.nan)
        pixels = ndc_to_pixels(torch.from_numpy(seen), self.size)
        points = torch.from_numpy(points).double()
        return perspective_translation(points, pixels, self.intrinsics).numpy()

    def official_translation(self, slot: int, origin: Size) -> np.ndarray:
        """(3,) the origin of the predicted points, metres from the camera, in the
        crop's axes, as HaMeR places the origin of MANO's frame; NaN where the scale is
        not positive.

        Args:
            origin: NDC of the crop camera's axis.
        """
        root = self.tensor('hand_root')[0, slot]
        camera = self.tensor('hand_camera')[0, slot]
        weak = weak_camera(camera, root, origin, self.size)
        if not weak[0] > 0:
            return np.full(3, np.nan)
        middle = torch.tensor(self.size, dtype=weak.dtype) / 2  # pixels
        side = torch.tensor(float(max(self.size)), dtype=weak.dtype)
        placed = translation_with_intrinsics(weak, middle, side, self.intrinsics)
        return (placed + root).numpy()

    def to_axes(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) in the crop's camera axes to the image's."""
        points = np.asarray(points, np.float64) @ self.rotation
        return points * MIRROR_POINTS if self.flip else points

    def to_axes_squared(self, covariance: np.ndarray) -> np.ndarray:
        """(60, 60) likewise."""
        blocks = covariance.reshape((NUM_FINGER_JOINTS, 3) * 2)
        blocks = np.einsum('ai,jakb,bl->jikl', self.rotation, blocks, self.rotation)
        if self.flip:
            blocks = blocks * MIRROR_POINTS[:, None, None] * MIRROR_POINTS
        return blocks.reshape(covariance.shape)

    def to_pixels(self, ndc: np.ndarray) -> np.ndarray:
        """Crop NDC (..., 2) to pixels of the whole image."""
        crop = ndc_to_pixels(torch.from_numpy(ndc), self.size).numpy()
        pixels = to_image(crop, self.affine)
        if self.flip:
            pixels[..., 0] = mirror_pixels(pixels[..., 0], self.width)
        return pixels


def _as_float32(value: object) -> object:
    """Floating-point arrays as contiguous float32, anything else as it is."""
    is_floating = isinstance(value, np.ndarray) and value.dtype.kind == 'f'
    return np.ascontiguousarray(value, np.float32) if is_floating else value
