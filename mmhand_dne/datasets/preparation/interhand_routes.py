"""Two ways to the same mesh must meet: self-checks of frames and of mirroring."""

import numpy as np
import torch

from mmhand_dne.conventions import MILLIMETRES, MIRROR_AXIS_ANGLES, MIRROR_POINTS
from mmhand_dne.datasets.datasets.hand_mesh_dataset import mmpose_fields
from mmhand_dne.datasets.datasets.interhand_hands import add_meshes
from mmhand_dne.datasets.readers.index_file import Table
from mmhand_dne.datasets.readers.interhand_annotations import InterHandFrame
from mmhand_dne.datasets.readers.interhand_table import camera_of, frame_of
from mmhand_dne.datasets.transforms.mesh_geometry import mirror_hands
from mmhand_dne.geometry.rotation import axis_angle_from_matrix, matrix_from_axis_angle
from mmhand_dne.hand_model import HandPair
from mmhand_dne.structures.raw_sample import empty_sample

from .check_report import PROBLEM, SKIPPED, WARNING, CheckReport
from .interhand_checks import sample_rows

BOUND = 0.1  # mm
MIRROR_BOUND = 1.0  # mm; MANO's two files are not to the digit mirror images
ROWS = 64  # entries, evenly over the file


def check_routes(report: CheckReport, split: str, table: Table, pair: HandPair) -> None:
    """Moved vertices against moved parameters, a mirrored right hand against left."""
    rows = sample_rows(table)
    frames = table.columns['frame'][rows]
    rows = rows[table.columns['frame_mano_valid'][frames].any(1)]
    rows = rows[np.linspace(0, len(rows) - 1, min(ROWS, len(rows))).astype(int)]
    if not len(rows):
        report.add(f'{split} ways into the camera', SKIPPED, 'no image has MANO')
        return
    both = [_two_ways(table, pair, row) for row in rows]
    report.expect(
        f'{split} ways into the camera',
        max(both) < BOUND,
        f'{len(rows)} images, largest difference {max(both):.4f} mm',
        f'less than {BOUND} mm',
    )
    twice = max(_flipped_twice(table, pair, row) for row in rows)
    report.expect(
        f'{split} mirrored twice',
        twice == 0,
        f'largest difference {twice:.2g}',
        '0',
        otherwise=PROBLEM,
    )
    mirror = max(_mirrored(frame_of(table, row), pair) for row in rows)
    report.expect(
        f'{split} mirrored right hand is left',
        mirror < MIRROR_BOUND,
        f'largest difference {mirror:.4f} mm',
        f'less than {MIRROR_BOUND} mm',
        otherwise=WARNING,
    )


@torch.no_grad()
def _two_ways(table: Table, pair: HandPair, row: int) -> float:
    """Vertices of world MANO moved, against MANO of moved parameters, mm."""
    camera, frame = camera_of(table, row), frame_of(table, row)
    meshes = empty_sample(pair.template.shape[1])
    add_meshes(meshes, pair, frame, camera)
    rotation = torch.from_numpy(camera.rotation)
    shift = -rotation @ torch.from_numpy(camera.position)
    worst = 0.0
    for slot in np.flatnonzero(frame.mano_valid):
        layer = (pair.right, pair.left)[slot]
        pose, betas = torch.from_numpy(frame.pose[slot].copy()), frame.betas[slot]
        betas = torch.from_numpy(betas.copy()).float()
        pose[:3] = axis_angle_from_matrix(rotation @ matrix_from_axis_angle(pose[:3]))
        rest = layer(torch.eye(3).expand(16, 3, 3), betas)
        pivot = (layer.J_regressor[0] @ rest).double()
        trans = rotation @ (pivot + torch.from_numpy(frame.translation[slot].copy()))
        trans = (trans + shift - pivot).numpy()
        rotations = layer.absolute_pose(pose.float(), mean=True)
        moved = layer(rotations, betas).double().numpy() + trans
        found = meshes['mesh_vertices'][slot] + meshes['mesh_root'][slot]
        worst = max(worst, MILLIMETRES * np.abs(found - moved).max())
    return worst


@torch.no_grad()
def _mirrored(frame: InterHandFrame, pair: HandPair) -> float:
    """A mirrored hand's mesh against the other layer's of mirrored parameters, mm."""
    worst, layers = 0.0, (pair.right, pair.left)
    for slot in np.flatnonzero(frame.mano_valid):
        pose = torch.from_numpy(frame.pose[slot].copy()).float().reshape(16, 3)
        betas = torch.from_numpy(frame.betas[slot].copy()).float()
        meshes = [
            layer(layer.absolute_pose(values.reshape(48), mean=True), betas).numpy()
            for layer, values in (
                (layers[slot], pose),
                (layers[1 - slot], pose * pose.new_tensor(MIRROR_AXIS_ANGLES)),
            )
        ]
        worst = max(
            worst, MILLIMETRES * np.abs(meshes[0] * MIRROR_POINTS - meshes[1]).max()
        )
    return worst


def _flipped_twice(table: Table, pair: HandPair, row: int) -> float:
    """How much mirroring an entry twice changes it."""
    camera, frame = camera_of(table, row), frame_of(table, row)
    joints = (frame.joints - camera.position) @ camera.rotation.T
    valid = frame.joints_valid.copy()
    info = empty_sample(pair.template.shape[1])
    info.update(
        joints_cam=np.where(valid[..., None], joints, 0),
        joints_valid=valid,
        joint_in_image=table.columns['joint_in_image'][row].copy(),
        intrinsics=camera.intrinsics,
    )
    add_meshes(info, pair, frame, camera)
    info.update(mmpose_fields(info))
    before = {key: np.array(value) for key, value in info.items()}
    mirror_hands(info)
    mirror_hands(info)
    return max(
        float(np.abs(before[key].astype(float) - np.asarray(info[key], float)).max())
        for key in before
    )
