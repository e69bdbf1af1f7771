"""From predictions on crops to hands in the picture's frame."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from mmhand_dne.conventions import MILLIMETRES, MIRROR_POINTS, SIDES, WRIST
from mmhand_dne.gaussian.wrist import without_wrist
from mmhand_dne.geometry.camera import (
    metric_translation,
    mirror_pixels,
    ndc_to_pixels,
    project,
)
from mmhand_dne.geometry.rotation import axis_angle_from_matrix
from mmhand_dne.models.heads.mano_decoder_head import MANODecoderHead
from mmhand_dne.structures.hand_result import HandResult, ManoParameters

from .crops import Crop, crop_turn, to_image, upright_affine


class HandReader:
    """Reads :class:`HandResult` from a model's predictions.

    A model's frame is its crop's: turned about the optical axis where the box was
    turned, mirrored where a left hand was made a right one. Both are undone here.
    Points in the picture go through the camera that the model was trained with:
    scaled orthographic, or HaMeR's perspective one where it has that.

    Args:
        model: a :class:`HandMeshEstimator`.
    """

    def __init__(self, model: nn.Module):
        self.model = model
        self.num_slots = model.num_slots
        self.refines = model.refine_head is not None
        head = model.mano_head
        self.perspective = isinstance(head, MANODecoderHead) and not self.refines
        faces = model.hand_model.faces.cpu().numpy()
        # A mirrored right hand is wound the other way round.
        self.faces = dict(
            right=faces[0],
            left=(faces[1] if len(faces) > 1 else faces[0][:, ::-1].copy()),
        )

    def read(
        self, samples: Sequence, crops: Sequence[Crop], metric: bool
    ) -> list[list[HandResult]]:
        """The hands of each crop, whatever their presence.

        Args:
            samples: data samples with ``pred_instances``.
            crops: what they were predicted from.
            metric: whether the intrinsics are the camera's own.
        """
        views = [CropView(sample) for sample in samples]
        roots = self._mano_roots(views)
        points = self._in_crops(views)
        return [
            [
                self._hand(view, crop, side, roots[i], points[i], metric)
                for side in crop.sides
            ]
            for i, (view, crop) in enumerate(zip(views, crops))
        ]

    @torch.no_grad()
    def _mano_roots(self, views: list['CropView']) -> np.ndarray:
        """(B, S, 3) wrists in MANO's frame, of the upright global rotations."""
        hand = self.model.hand_model
        like = hand.template
        turns = np.stack([view.rotations for view in views])[:, : self.num_slots]
        betas = np.stack([view.pred.mano_betas[0] for view in views])
        mesh = hand(
            torch.as_tensor(turns).to(like),
            torch.as_tensor(betas[:, : self.num_slots]).to(like),
        )
        return mesh.root.double().cpu().numpy()

    @torch.no_grad()
    def _in_crops(self, views: list['CropView']) -> list[dict[str, np.ndarray]]:
        """Joints and vertices in crop NDC, (S, N, 2) each, by name."""
        wanted = dict(joints='hand_joints', vertices='hand_vertices')
        if self.refines:
            wanted['coarse'] = 'coarse_vertices'
        found = []
        for view in views:
            found.append(
                {
                    name: self._ndc(
                        view.tensor(field),
                        view.tensor(
                            'coarse_camera' if name == 'coarse' else 'hand_camera'
                        ),
                        view.tensor('hand_root'),
                    )[0]
                    .double()
                    .numpy()
                    for name, field in wanted.items()
                }
            )
        return found

    def _ndc(self, points: Tensor, camera: Tensor, root: Tensor) -> Tensor:
        """(1, S, N, 3) wrist-relative to (1, S, N, 2) crop NDC."""
        if not self.perspective:
            return project(points, camera)
        points, camera, root = points[:, :1], camera[:, :1], root[:, :1]
        scale, shift = camera[..., 0], camera[..., 1]  # (1, 1, 2)
        weak = torch.cat([scale[..., :1], shift / scale - root[..., :2]], -1)
        return self.model.mano_head.project(points + root[..., None, :], weak)

    def _hand(self, view, crop, side, roots, points, metric) -> HandResult:
        slot = SIDES.index(side) if self.num_slots > 1 else 0
        pred, size = view.pred, view.size
        wrist = pred.hand_joints[0, slot, WRIST].astype(np.float64)
        camera = pred.hand_camera[0, slot].astype(np.float64)
        # Of points relative to the wrist that the last stage has, not to the coarse
        # one.
        camera[:, 1] += camera[:, 0] * wrist[:2]
        place = view.place(camera)
        camera[0, 1] *= -1 if view.flip else 1
        fields = dict(
            side=side,
            presence=float(pred.hand_presence[0, slot]),
            vertices=view.to_axes(pred.hand_vertices[0, slot] - wrist),
            joints=view.to_axes(pred.hand_joints[0, slot] - wrist),
            faces=self.faces[side],
            mano=self._mano(view, slot, roots, place - wrist),
            translation=view.to_axes(place),
            intrinsics=crop.intrinsics,
            metric=metric,
            joints_2d=view.to_pixels(points['joints'][slot]),
            vertices_2d=view.to_pixels(points['vertices'][slot]),
            box=np.asarray(crop.box.corners),
            crop_camera=camera,
            crop_affine=upright_affine(view.affine, view.flip, view.width, size),
        )
        if self.refines:
            coarse = pred.coarse_vertices[0, slot] - pred.coarse_joints[0, slot, WRIST]
            fields.update(
                coarse_vertices=view.to_axes(coarse),
                coarse_vertices_2d=view.to_pixels(points['coarse'][slot]),
            )
        if 'hand_joint_covariance' in pred:
            fields.update(self._error_bars(view, slot))
        return HandResult(
            **{name: _as_float32(value) for name, value in fields.items()}
        )

    def _mano(self, view, slot, roots, origin) -> ManoParameters:
        turns = view.rotations[slot]
        if view.flip:
            turns = turns * MIRROR_POINTS[:, None] * MIRROR_POINTS
        vectors = axis_angle_from_matrix(torch.from_numpy(turns)).numpy()
        root = roots[slot] * (MIRROR_POINTS if view.flip else 1)
        return ManoParameters(
            global_orient=_as_float32(vectors[0]),
            hand_pose=_as_float32(vectors[1:].ravel()),
            betas=_as_float32(view.pred.mano_betas[0, slot]),
            transl=_as_float32(view.to_axes(origin) - root),
        )

    def _error_bars(self, view, slot) -> dict[str, np.ndarray]:
        covariance = view.pred.hand_joint_covariance[0, slot].astype(np.float64)
        covariance = view.to_axes_squared(without_wrist(covariance))
        blocks = np.zeros((21, 3, 3))
        blocks[1:] = np.einsum('jajb->jab', covariance.reshape(20, 3, 20, 3))
        spread = np.sqrt(np.trace(blocks, axis1=1, axis2=2))
        return dict(
            joint_covariance=blocks,
            joint_covariance_full=covariance,
            joint_std=MILLIMETRES * spread,
        )


class CropView:
    """One prediction with the way back from its crop to the picture."""

    def __init__(self, sample):
        self.pred, meta = sample.pred_instances, sample.metainfo
        self.flip, self.affine = bool(meta['flip']), np.asarray(meta['crop_affine'])
        self.width, self.size = meta['ori_shape'][1], int(meta['input_size'][0])
        self.turn = crop_turn(self.affine)
        self.intrinsics = sample.gt_instance_labels.crop_intrinsics[0].double()
        turns = self.pred.mano_rotations[0].astype(np.float64)
        turns[:, 0] = self.turn.T @ turns[:, 0]
        self.rotations = turns  # (2, 16, 3, 3), of a picture that may be mirrored

    def tensor(self, name: str) -> Tensor:
        """A predicted field (1, S, ...) on the CPU, float64."""
        return torch.from_numpy(np.asarray(self.pred[name])).double()

    def place(self, camera: np.ndarray) -> np.ndarray:
        """(3,) where a crop camera (2, 2) puts the origin of its points, metres from
        the camera, in the crop's axes.
        """
        return metric_translation(
            torch.from_numpy(camera), self.intrinsics, self.size
        ).numpy()

    def to_axes(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) in the crop's camera axes to the picture's."""
        points = np.asarray(points, np.float64) @ self.turn
        return points * MIRROR_POINTS if self.flip else points

    def to_axes_squared(self, covariance: np.ndarray) -> np.ndarray:
        """(60, 60) likewise."""
        blocks = covariance.reshape(20, 3, 20, 3)
        blocks = np.einsum('ai,jakb,bl->jikl', self.turn, blocks, self.turn)
        if self.flip:
            blocks = blocks * MIRROR_POINTS[:, None, None] * MIRROR_POINTS
        return blocks.reshape(60, 60)

    def to_pixels(self, ndc: np.ndarray) -> np.ndarray:
        """Crop NDC (..., 2) to pixels of the whole picture."""
        crop = ndc_to_pixels(torch.from_numpy(ndc), self.size).numpy()
        pixels = to_image(crop, self.affine)
        if self.flip:
            pixels[..., 0] = mirror_pixels(pixels[..., 0], self.width)
        return pixels


def _as_float32(value):
    is_floating = isinstance(value, np.ndarray) and value.dtype.kind == 'f'
    return np.ascontiguousarray(value, np.float32) if is_floating else value
