"""Self-checks of an HO-3D download."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mmhand_dne.conventions import HO3D_FROM_OPENPOSE, MILLIMETRES, OPENGL_AXES, WRIST
from mmhand_dne.datasets.datasets.ho3d_mesh_dataset import SIZE
from mmhand_dne.datasets.readers.ho3d_files import (
    IMAGE_SUFFIXES,
    HO3DFrame,
    find_image,
    frame_columns,
    read_frame,
    read_frame_list,
    read_gt,
)
from mmhand_dne.datasets.workers import in_workers
from mmhand_dne.fileio.hashes import short_hash
from mmhand_dne.geometry.camera import project_perspective
from mmhand_dne.hand_model import SingleHand

from .check_report import OK, PROBLEM, SKIPPED, WARNING, CheckReport
from .image_checks import MISSING, ImageToCheck, problem_of, report_images

COUNTS = dict(train={66034: 'v2', 83325: 'v3'}, evaluation={11524: 'v2', 20137: 'v3'})
GT = dict(xyz=21, verts=778)
# Metres; the ground truth's wrist and the annotated one are one point.
WRIST_BOUND = 1e-3
# Metres, means over all frames: what is expected of joints that were written from the
# same parameters, and what another hand model or pose convention exceeds.
JOINT_BOUNDS = (1e-4, 5e-3)
MOST = 0.9  # of the joints lie inside the image; hands do leave it
BATCH = 256


class FoundFrame(NamedTuple):
    """What a worker says about a listed frame."""

    frame: HO3DFrame | None
    suffix: int  # of the image, in IMAGE_SUFFIXES
    size: int  # of the pickle, bytes
    mtime_ns: int
    digest: int  # of its bytes, see short_hash
    image_problem: str  # see problem_of
    problem: str  # why there is no frame, '' otherwise


def look_at(folder: Path, decode: bool, name: tuple[str, str]) -> FoundFrame:
    """Read one frame's pickle and image below the folder of the sequences."""
    sequence, number = name
    image = find_image(folder / sequence / 'rgb', number)
    wrong = problem_of(ImageToCheck(str(image), SIZE, decode))
    suffix = IMAGE_SUFFIXES.index(image.suffix)
    path = folder / sequence / 'meta' / f'{number}.pkl'
    try:
        frame = read_frame(path)
        found = path.stat()
    except ValueError as error:
        return FoundFrame(None, suffix, 0, 0, 0, wrong, str(error))
    times = found.st_size, found.st_mtime_ns, short_hash(path)
    return FoundFrame(frame, suffix, *times, wrong, '')


def check_frames(
    report: CheckReport,
    root: Path,
    split: str,
    decode: bool,
    partial_download: bool,
    workers: int,
) -> tuple[list, list]:
    """Read every listed frame of a split.

    Returns: the names (sequence, frame) and a :class:`FoundFrame` each.
    Raises:
        ValueError: there is no list, or a line of it is none.
    """
    names = read_frame_list(root / f'{split}.txt')
    _check_list(report, split, names, partial_download)
    look = partial(look_at, root / split, decode)
    found = list(in_workers(look, names, workers, f'{split} frames'))
    paths = [
        str(find_image(root / split / sequence / 'rgb', number))
        for sequence, number in names
    ]
    problems = [one.image_problem for one in found]
    report_images(report, f'{split} images', paths, problems, partial_download)
    _check_found(report, split, found)
    return names, found


def _check_found(report: CheckReport, split: str, found: list[FoundFrame]) -> None:
    """Images are of one format, and all annotations are readable."""
    kinds = {
        IMAGE_SUFFIXES[one.suffix] for one in found if one.image_problem != MISSING
    }
    report.expect(
        f'{split} image format',
        len(kinds) <= 1,
        ' and '.join(sorted(kinds)) or 'none',
        'one',
        otherwise=WARNING,
    )
    bad = [one.problem for one in found if one.problem]
    report.expect(
        f'{split} annotations',
        not bad,
        f'{len(found) - len(bad):,} of {len(found):,} are readable',
        'all',
        bad,
    )


def _check_list(
    report: CheckReport, split: str, names: list, partial_download: bool
) -> None:
    """The number of listed frames tells the version; none is listed twice."""
    version = COUNTS[split].get(len(names))
    report.expect(
        f'{split} frames',
        version is not None,
        f'{len(names):,}' + (f', version {version[1:]}' if version else ''),
        ' or '.join(f'{n:,} ({v})' for n, v in COUNTS[split].items()),
        otherwise=WARNING if partial_download else PROBLEM,
    )
    twice = [name for name, count in Counter(names).items() if count > 1]
    report.expect(
        f'{split} frames are listed once',
        not twice,
        f'{len(twice)} more often',
        'none',
        ['/'.join(n) for n in twice],
    )


def check_geometry(
    report: CheckReport, split: str, names: Sequence, columns: dict
) -> None:
    """Joints before the camera and in the image, in camera axes."""
    joints, valid = columns['joints'] * OPENGL_AXES, columns['joints_valid']
    behind = np.flatnonzero((valid & (joints[..., 2] <= 0)).any(1))
    report.expect(
        f'{split} joints before the camera',
        not len(behind),
        f'{len(behind)} frames behind it',
        'none: OpenGL axes, not converted',
        ['/'.join(names[row]) for row in behind],
    )
    before = valid & (joints[..., 2] > 0)
    pixels = project_perspective(joints, columns['intrinsics'], before)
    inside = ((pixels >= 0) & (pixels <= np.array(SIZE) - 1)).all(-1)
    share = inside[valid].mean() if valid.any() else 0.0
    report.expect(
        f'{split} joints in 640 x 480',
        share >= MOST,
        f'{100 * share:.2f} %',
        f'at least {100 * MOST:.0f} %',
    )


def check_mano(
    report: CheckReport, split: str, names: Sequence, columns: dict, hand: SingleHand
) -> None:
    """Joints that the parameters pose against handJoints3D, where both are there."""
    rows = np.flatnonzero(columns['has_pose'])
    if not len(rows):
        report.add(f'{split} joints are of MANO', SKIPPED, 'no parameters')
        return
    error = np.zeros(len(rows))
    for start in range(0, len(rows), BATCH):
        part = rows[start : start + BATCH]
        error[start : start + len(part)] = _joint_errors(part, columns, hand)
    usual, most = JOINT_BOUNDS
    worst = np.argsort(-error)[:3]
    report.expect(
        f'{split} joints are of MANO',
        error.mean() < usual,
        f'mean {MILLIMETRES * error.mean():.3f} mm, '
        f'most {MILLIMETRES * error.max():.2f} mm',
        f'a mean below {MILLIMETRES * usual:.1f} mm with the MANO v1.2 files',
        [f'{"/".join(names[rows[i]])}: {MILLIMETRES * error[i]:.2f} mm' for i in worst],
        otherwise=WARNING if error.mean() < most else PROBLEM,
    )


@torch.no_grad()
def _joint_errors(rows: np.ndarray, columns: dict, hand: SingleHand) -> np.ndarray:
    """Mean distance (n,), metres, of posed joints to handJoints3D."""
    rotations = hand.right.absolute_pose(
        torch.tensor(columns['pose'][rows]), mean=False
    )
    betas = torch.tensor(columns['betas'][rows]).float()
    mesh = hand(rotations.float()[:, None], betas[:, None])
    joints = (mesh.joints + mesh.root[:, :, None])[:, 0].double().numpy()
    joints = joints[:, HO3D_FROM_OPENPOSE] + columns['translation'][rows][:, None]
    return np.linalg.norm(joints - columns['joints'][rows], axis=-1).mean(-1)


def check_gt(report: CheckReport, root: Path, names: Sequence, columns: dict) -> tuple:
    """The released evaluation ground truth, if it is there.

    Returns: its columns and its files.
    """
    files = {name: root / f'evaluation_{name}.json' for name in GT}
    files = {name: path for name, path in files.items() if path.is_file()}
    if not files:
        report.add(
            'evaluation ground truth',
            SKIPPED,
            'not downloaded: evaluation_xyz.json, evaluation_verts.json',
        )
        return {}, []
    found = {}
    for name, points in GT.items():
        try:
            found[name] = read_gt(
                root / f'evaluation_{name}.json', len(names), points, 'evaluation.txt'
            )
        except ValueError as error:
            report.add(f'evaluation_{name}.json', PROBLEM, str(error))
    if len(found) < len(GT):
        return {}, []
    report.add('evaluation ground truth', OK, f'{len(names):,} rows')
    _check_wrists(report, names, found['xyz'], columns['joints'])
    gt = dict(true_joints=found['xyz'], true_vertices=found['verts'])
    return gt, list(files.values())


def _check_wrists(
    report: CheckReport, names: Sequence, gt: np.ndarray, annotated: np.ndarray
) -> None:
    """Wrists of released ground truth against those of the pickles, (N, 21, 3)."""
    error = np.linalg.norm(gt[:, WRIST] - annotated[:, WRIST], axis=-1)
    wrong = np.flatnonzero(error > WRIST_BOUND)
    report.expect(
        'ground truth and annotation share wrists',
        not len(wrong),
        f'largest difference {MILLIMETRES * error.max(initial=0):.3f} mm',
        f'less than {MILLIMETRES * WRIST_BOUND:.0f} mm',
        ['/'.join(names[row]) for row in wrong],
    )


def columns_of(found: Sequence[FoundFrame]) -> dict[str, np.ndarray]:
    """An index's columns of the frames; all of them were readable."""
    columns = frame_columns([one.frame for one in found])
    for name, kind in (
        ('suffix', np.uint8),
        ('size', np.int64),
        ('mtime_ns', np.int64),
        ('digest', np.uint64),
    ):
        columns[name] = np.array([getattr(one, name) for one in found], kind)
    return dict(id=np.arange(len(found)), **columns)
