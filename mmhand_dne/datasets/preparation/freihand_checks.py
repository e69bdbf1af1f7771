"""Self-checks of a FreiHAND download."""

from pathlib import Path

import numpy as np

from mmhand_dne.conventions import MILLIMETRES
from mmhand_dne.datasets.datasets.freihand_mesh_dataset import BACKGROUNDS, SIZE
from mmhand_dne.datasets.readers.freihand_files import (
    bone_lengths,
    find,
    find_files,
    read_table,
    rebuild_vertices,
)
from mmhand_dne.datasets.readers.index_file import Table
from mmhand_dne.geometry.camera import project_perspective
from mmhand_dne.hand_model import SingleHand

from .check_report import OK, PROBLEM, SKIPPED, WARNING, CheckReport
from .image_checks import ImageToCheck, check_images

ROWS = dict(training=32560, evaluation=3960)
NAMES = ('K', 'mano', 'xyz', 'scale', 'verts')
SCALE_BOUND = 1e-3  # metres; the file and the bone are the same number
# Metres, means over all rows: what is expected, and what another hand model or another
# version exceeds. The data set's parameters carry a residual against its meshes.
JOINT_BOUNDS, MANO_BOUNDS = (1e-3, 10e-3), (5e-3, 20e-3)
MOST = 0.99  # of the joints lie inside their image
BATCH = 256


def check_rows(
    report: CheckReport, root: Path, split: str, partial: bool
) -> tuple[Table, dict[str, Path]]:
    """Read a split's rows and check what needs no hand model.

    Args:
        partial: whether another number of rows than the official one is expected.
    Returns: the table and the files that it was read from.
    Raises:
        ValueError: a file is missing or damaged.
    """
    files = find_files(root, split, NAMES)
    table = read_table(files)
    columns, count = table.columns, len(table.columns['id'])
    report.expect(
        f'{split} rows',
        count == ROWS[split],
        f'{count:,}',
        f'{ROWS[split]:,}',
        otherwise=WARNING if partial else PROBLEM,
    )
    if 'joints' not in columns:
        report.add(
            f'{split} ground truth',
            SKIPPED,
            'not downloaded: FreiHAND_pub_v2_eval.zip has it',
        )
        return table, files
    _check_scale(report, split, columns)
    _check_projection(report, split, columns)
    return table, files


def _check_scale(report: CheckReport, split: str, columns: dict) -> None:
    error = np.abs(bone_lengths(columns['joints']) - columns['scale'])
    report.expect(
        f'{split} scale is a bone of xyz',
        error.max(initial=0) < SCALE_BOUND,
        f'largest difference {MILLIMETRES * error.max(initial=0):.3f} mm',
        f'less than {MILLIMETRES * SCALE_BOUND:.0f} mm',
        [f'row {row}' for row in np.flatnonzero(error >= SCALE_BOUND)],
        WARNING,
    )


def _check_projection(report: CheckReport, split: str, columns: dict) -> None:
    joints = columns['joints']
    before = joints[..., 2] > 0
    behind = np.flatnonzero(~before.all(1))
    report.expect(
        f'{split} joints before the camera',
        not len(behind),
        f'{len(behind)} rows behind it',
        'none',
        [f'row {row}' for row in behind],
    )
    pixels = project_perspective(joints, columns['intrinsics'], before)
    inside = ((pixels >= 0) & (pixels <= np.array(SIZE) - 1)).all(-1)
    report.expect(
        f'{split} joints in 224 x 224',
        inside.mean() >= MOST,
        f'{100 * inside.mean():.2f} %',
        f'at least {100 * MOST:.0f} %',
        [f'row {row}' for row in np.flatnonzero(~inside.all(1))],
    )


def check_meshes(
    report: CheckReport, split: str, table: Table, hand: SingleHand
) -> None:
    """Meshes against joints and against their MANO parameters, all rows."""
    columns, count = table.columns, len(table.columns['id'])
    regressor = hand.joint_regressor[0].double().numpy()
    to_joints, to_mano = np.zeros(count), np.zeros(count)
    for start in range(0, count, BATCH):
        index = np.arange(start, min(start + BATCH, count))
        meshes = columns['vertices'][index].astype(np.float64)
        rebuilt = rebuild_vertices(hand.right, table, regressor, index)
        to_joints[index] = _distance(regressor @ meshes, columns['joints'][index])
        to_mano[index] = _distance(rebuilt, meshes)
    for name, error, (usual, most) in (
        ('joints of verts are xyz', to_joints, JOINT_BOUNDS),
        ('verts are of mano', to_mano, MANO_BOUNDS),
    ):
        mean = error.mean() if count else 0.0
        worst = np.argsort(-error)[:3]
        report.expect(
            f'{split} {name}',
            mean < usual,
            f'mean {MILLIMETRES * mean:.3f} mm, '
            f'most {MILLIMETRES * error.max(initial=0):.1f} mm',
            f'a mean below {MILLIMETRES * usual:.0f} mm with the MANO v1.2 files',
            [f'row {row}: {MILLIMETRES * error[row]:.1f} mm' for row in worst],
            otherwise=WARNING if mean < most else PROBLEM,
        )


def check_split_images(
    report: CheckReport,
    root: Path,
    split: str,
    count: int,
    decode: bool,
    partial: bool,
    workers: int,
) -> None:
    """All images of a split: there, whole, 224 x 224; numbered row + N background."""
    folder = find(root, f'{split}/rgb')
    if folder is None:
        report.add(f'{split} images', PROBLEM, f'there is no folder {split}/rgb')
        return
    versions = len(BACKGROUNDS) if split == 'training' else 1
    numbers = range(count * versions)
    images = [
        ImageToCheck(str(folder / f'{number:08d}.jpg'), SIZE, decode)
        for number in numbers
    ]
    check_images(report, f'{split} images', images, partial, workers)
    known = {f'{number:08d}.jpg' for number in numbers}
    others = sorted(
        path.name for path in folder.glob('*.jpg') if path.name not in known
    )
    report.expect(
        f'{split} images have a row',
        not others,
        f'{len(others)} of no row' if others else f'{versions} images per row',
        'none: image i + N v shows row i before background v',
        others,
    )


def check_masks(report: CheckReport, root: Path, count: int) -> None:
    """Masks are not read by the data set; said only."""
    folder = find(root, 'training/mask')
    found = len(list(folder.glob('*.jpg'))) if folder else 0
    report.add(
        'training masks',
        OK if found == count else SKIPPED,
        f'{found:,}; no data set here reads them',
    )


def _distance(points: np.ndarray, others: np.ndarray) -> np.ndarray:
    return np.linalg.norm(points - others, axis=-1).mean(-1)
