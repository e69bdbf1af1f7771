"""Self-checks of an InterHand2.6M download."""

import numpy as np

from mmhand_dne.conventions import HAND_TYPE_NAMES, MIDDLE, MILLIMETRES, SIDES, WRIST
from mmhand_dne.datasets.readers.index_file import Table
from mmhand_dne.datasets.readers.interhand_filters import fit_errors
from mmhand_dne.geometry.camera import project_perspective
from mmhand_dne.hand_model import HandPair

from .check_report import OK, PROBLEM, SKIPPED, WARNING, CheckReport

# Release v1.0 at 5 frames per second: images, of them interacting, time steps with
# MANO.
COUNTS = dict(
    train=(1361062, 673514, 18718),
    val=(380125, 145942, 2736),
    test=(849160, 360192, 6890),
)
BOX_SCALE = 1.2  # of the annotated box about the tight box of the joints
BOX_BOUND = 1e-3  # pixels
MOST, SOME = 0.99, 0.5  # shares of entries
BONE = (0.05, 0.12)  # metres; wrist to middle1 of people
FIT_BOUND = 15.0  # mm, median; NeuralAnnot's is about 5
SAMPLE = 4096  # entries whose projections are checked


def check_counts(report: CheckReport, split: str, table: Table) -> None:
    """Sizes against release v1.0 at 5 frames per second; others are no mistake."""
    columns, images, interacting, frames = table.columns, *COUNTS[split]
    both = int((columns['hand_type'] == HAND_TYPE_NAMES.index('interacting')).sum())
    found = [
        ('images', len(columns['id']), images),
        ('interacting images', both, interacting),
    ]
    if table.meta['mano']:
        steps = int(columns['frame_mano_valid'].any(1).sum())
        found.append(('time steps with MANO', steps, frames))
    for name, count, wanted in found:
        report.expect(
            f'{split} {name}',
            count == wanted,
            f'{count:,}',
            f'{wanted:,} of v1.0 at 5 frames per second',
            otherwise=WARNING,
        )


def check_ids(report: CheckReport, split: str, table: Table) -> None:
    """One annotation per image, joined by number; numbers may have gaps."""
    ids, images = table.columns['id'], table.columns['img_id']
    for name, values in (('annotation ids', ids), ('annotated images', images)):
        unique, counts = np.unique(values, return_counts=True)
        twice = unique[counts > 1]
        report.expect(
            f'{split} {name}',
            not len(twice),
            f'{len(unique):,} numbers up to {values.max(initial=0):,}'
            + (f', {len(twice):,} more than once' if len(twice) else ''),
            'each once',
            [f'number {number}' for number in twice],
        )
    others = table.meta['images'] - len(np.unique(images))
    report.expect(
        f'{split} images have annotations',
        others <= 0,
        f'{max(others, 0):,} have none',
        'none',
        otherwise=WARNING,
    )


def sample_rows(table: Table) -> np.ndarray:
    """Entries that are checked, evenly over the file."""
    count = len(table.columns['id'])
    return np.unique(np.linspace(0, max(count - 1, 0), min(SAMPLE, count)).astype(int))


def check_projection(report: CheckReport, split: str, table: Table) -> None:
    """Boxes hold the projected joints; bones and depths are a person's."""
    columns, rows = table.columns, sample_rows(table)
    joints, pixels, valid = project_rows(table, rows)
    seen = valid & columns['joint_in_image'][rows]
    behind = rows[((joints[..., 2] <= 0) & valid).any((1, 2))]
    report.expect(
        f'{split} joints before the camera',
        not len(behind),
        f'{len(behind)} of {len(rows):,} images have one behind it',
        'none',
        _ids(table, behind),
    )
    _check_boxes(report, split, table, rows, pixels, seen)
    _check_bones(report, split, joints, valid)


def _check_boxes(
    report: CheckReport,
    split: str,
    table: Table,
    rows: np.ndarray,
    pixels: np.ndarray,
    seen: np.ndarray,
) -> None:
    """Annotated boxes are those of the joints that are seen.

    Args:
        rows: (n,) of the table.
        pixels: (n, 2, 21, 2) projected joints.
        seen: (n, 2, 21) whether each is annotated and in the image.
    """
    some = seen.any((1, 2))
    low = np.where(seen[..., None], pixels, np.inf).min((1, 2))
    high = np.where(seen[..., None], pixels, -np.inf).max((1, 2))
    with np.errstate(invalid='ignore'):
        margin = (BOX_SCALE - 1) / 2 * (high - low)
        box = np.concatenate([low - margin, (high - low) * BOX_SCALE], -1)
        error = np.abs(box - table.columns['bbox'][rows]).max(1)
    good = error[some] < BOX_BOUND
    share = good.mean() if len(good) else 1.0
    report.expect(
        f'{split} boxes are 1.2 x the joints',
        share >= MOST,
        f'{100 * share:.2f} % of {len(good):,} to {BOX_BOUND} px',
        f'{100 * MOST:.0f} %: camera, joint_3d and data files of one release',
        _ids(table, rows[some][~good]),
        WARNING if share >= SOME else PROBLEM,
    )


def _check_bones(
    report: CheckReport, split: str, joints: np.ndarray, valid: np.ndarray
) -> None:
    """The palm is as long as a person's: joints (n, 2, 21, 3) are in metres."""
    bones = np.linalg.norm(joints[..., MIDDLE, :] - joints[..., WRIST, :], axis=-1)
    bones = bones[valid[..., MIDDLE] & valid[..., WRIST]]
    typical = np.median(bones) if len(bones) else np.mean(BONE)
    report.expect(
        f'{split} wrist to middle knuckle',
        BONE[0] < typical < BONE[1],
        f'median {MILLIMETRES * typical:.1f} mm',
        '50 to 120 mm: joints in millimetres',
    )


def project_rows(table: Table, rows: np.ndarray) -> tuple:
    """Joints in camera metres (n, 2, 21, 3), their pixels (..., 2), validity."""
    columns = table.columns
    camera, frame = columns['camera'][rows], columns['frame'][rows]
    valid = columns['frame_joints_valid'][frame]
    world = columns['frame_joints'][frame]
    position = columns['camera_position'][camera][:, None, None]
    joints = np.einsum(
        'nij,nhkj->nhki', columns['camera_rotation'][camera], world - position
    )
    intrinsics = columns['camera_intrinsics'][camera][:, None]
    pixels = project_perspective(joints, intrinsics, valid & (joints[..., 2] > 0))
    return joints, pixels, valid


def check_fits(
    report: CheckReport, split: str, table: Table, pair: HandPair
) -> np.ndarray:
    """MANO meshes against the annotated joints, all frames.

    Returns: (M, 2) mm, see :func:`fit_errors`.
    """
    errors = fit_errors(table, pair)
    for slot, side in enumerate(SIDES):
        known = errors[np.isfinite(errors[:, slot]), slot]
        name = f'{split} {side} meshes fit joints'
        if not len(known):
            report.add(name, SKIPPED, 'no hand has both')
            continue
        worst = np.argsort(-np.nan_to_num(errors[:, slot]))[:3]
        report.expect(
            name,
            np.median(known) < FIT_BOUND,
            f'median {np.median(known):.1f} mm, most {known.max():.1f} mm',
            f'a median below {FIT_BOUND:.0f} mm with the MANO v1.2 files',
            [
                f'{table.text("frame_name", row)}: {errors[row, slot]:.1f} mm'
                for row in worst
            ],
        )
    over = int((np.nan_to_num(errors) > 2 * FIT_BOUND).any(1).sum())
    report.add(
        f'{split} bad fits',
        OK,
        f'{over:,} frames over {2 * FIT_BOUND:.0f} mm; max_fit_error leaves them out',
    )
    return errors


def _ids(table: Table, rows: np.ndarray) -> list[str]:
    return [f'annotation {table.columns["id"][row]}' for row in rows[:100]]
