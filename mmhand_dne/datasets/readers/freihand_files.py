"""FreiHAND's files: where they lie, what they hold, checked when read."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from mmhand_dne.conventions import MIDDLE, MILLIMETRES, OPENPOSE_JOINTS
from mmhand_dne.errors import UserError
from mmhand_dne.hand_model import MANOLayer

from .annotation_files import lookup, numbers, read_json, read_rows
from .index_file import Table

FOLDERS = 'FreiHAND_pub_v2*'  # made by some ways of unpacking, not by others
NEXT = OPENPOSE_JOINTS.index('middle2')
SHAPES = dict(K=(3, 3), xyz=(21, 3), verts=(778, 3), mano=(1, 61), scale=())  # of rows
SCALE_ERROR = 1e-3  # metres, median; above it rows or units do not belong together
SCHEMA, VERSION = 'freihand', 2


def find(root: str | Path, name: str) -> Path | None:
    """A file or folder in ``root`` or in an unpacked folder below it, else None."""
    root = Path(root)
    unpacked = [*sorted(root.glob(FOLDERS)), *sorted(root.glob(f'{FOLDERS}/{FOLDERS}'))]
    paths = [folder / name for folder in [root, *unpacked]]
    return next((path for path in paths if path.exists()), None)


def find_files(root: str | Path, split: str, names: Sequence[str]) -> dict[str, Path]:
    """Where ``{split}_{name}.json`` lies, for those of the names that are there.

    Raises:
        ValueError: K, or a file of the training split, is missing. The ground truth of
            the evaluation split may be absent altogether (not downloaded), but not in
            part.
    """
    paths = {name: find(root, f'{split}_{name}.json') for name in names}
    absent = [name for name in names if paths[name] is None]
    gt = [name for name in names if name not in ('K', 'scale')]
    not_downloaded = split == 'evaluation' and set(absent) == set(gt)
    if absent and not not_downloaded:
        raise UserError(
            f'{root}: neither it nor a folder {FOLDERS} in it has '
            f'{split}_{absent[0]}.json; check data_root, or unpack '
            f'FreiHAND_pub_v2{"_eval" if split == "evaluation" else ""}.zip there'
        )
    return {name: path for name, path in paths.items() if path is not None}


def read_table(paths: Mapping[str, Path]) -> Table:
    """The N unique samples of a split.

    Args:
        paths: see :func:`find_files`.
    Returns: columns ``id`` (N,), ``intrinsics`` (N, 3, 3) pixels; where their files
        are given, in metres and camera axes, ``joints`` (N, 21, 3) OpenPose order,
        ``vertices`` (N, 778, 3) float32, ``scale`` (N,), the length of middle1 to
        middle2; of MANO ``pose`` (N, 48) radians, fingers
        relative to the mean pose, ``betas`` (N, 10) and ``middle_uvs`` (N, 3), pixel u,
        v of middle1 and s = focal length / z.
    Raises:
        ValueError: a file is damaged, or of another split or version.
    """
    tables = {
        name: read_rows(path, SHAPES[name], np.float32 if name == 'verts' else float)
        for name, path in paths.items()
    }
    for name, table in tables.items():
        if len(table) != len(tables['K']):
            raise UserError(
                f'{paths[name]}: has {len(table)} rows, {paths["K"].name} has '
                f'{len(tables["K"])}; they are of different splits or versions'
            )
    _check_scale(tables, paths)
    columns = dict(id=np.arange(len(tables['K'])), intrinsics=tables['K'])
    if 'mano' in tables:
        parts = np.split(tables['mano'][:, 0], (48, 58), axis=1)
        columns.update(zip(('pose', 'betas', 'middle_uvs'), parts))
    for column, name in (('joints', 'xyz'), ('vertices', 'verts'), ('scale', 'scale')):
        if name in tables:
            columns[column] = tables[name]
    return Table(columns, {})


def _check_scale(tables: dict, paths: dict) -> None:
    if not {'scale', 'xyz'} <= set(tables) or not len(tables['xyz']):
        return
    xyz = tables['xyz']
    error = np.median(np.abs(bone_lengths(xyz) - tables['scale']))
    if error > SCALE_ERROR:
        raise UserError(
            f'{paths["scale"]}: differs from the bones of {paths["xyz"].name} by '
            f'{MILLIMETRES * error:.1f} mm, expected 0; they are of different '
            'versions, download both again'
        )


def bone_lengths(joints: np.ndarray) -> np.ndarray:
    """Distance of middle1 and middle2, (N, 21, 3) -> (N,) metres."""
    return np.linalg.norm(joints[:, MIDDLE] - joints[:, NEXT], axis=1)


@torch.no_grad()
def absolute_rotations(
    layer: MANOLayer, table: Table, index: Sequence[int] | np.ndarray
) -> np.ndarray:
    """Absolute joint rotations (n, 16, 3, 3) of n rows, float32."""
    pose = np.asarray(table.columns['pose'][index], np.float32)
    return layer.absolute_pose(torch.from_numpy(pose), mean=True).numpy()


@torch.no_grad()
def rebuild_vertices(
    layer: MANOLayer,
    table: Table,
    regressor: np.ndarray,
    index: Sequence[int] | np.ndarray,
) -> np.ndarray:
    """Meshes from MANO parameters alone, (n, V, 3) metres, camera axes.

    The file has no translation: middle1 lies on the ray through pixel (u, v) at depth
    f / s, with f the mean focal length and (u, v, s) the last three numbers.

    Args:
        regressor: (21, V).
        index: the n rows.
    """
    columns = table.columns
    betas = np.asarray(columns['betas'][index], np.float32)
    rotations = torch.from_numpy(absolute_rotations(layer, table, index))
    vertices = layer(rotations, torch.from_numpy(betas)).double().numpy()
    intrinsics, (u, v, s) = columns['intrinsics'][index], columns['middle_uvs'][index].T
    focal = (intrinsics[:, 0, 0] + intrinsics[:, 1, 1]) / 2
    rays = np.stack([u - intrinsics[:, 0, 2], v - intrinsics[:, 1, 2], focal], -1)
    middle = rays / s[:, None]
    found = np.einsum('v,nvc->nc', regressor[MIDDLE], vertices)
    return vertices + (middle - found)[:, None]


class Keypoints(NamedTuple):
    """2D ground truth of one image in MMPose's COCO file of FreiHAND."""

    img_path: str
    image_id: int
    size: tuple  # (W, H)
    keypoints: np.ndarray  # (21, 2) pixels, OpenPose order
    valid: np.ndarray  # (21,) bool
    bbox: np.ndarray  # (4,) x, y, w, h


def read_keypoints(ann_file: str | Path, image_folder: str | Path) -> list[Keypoints]:
    """MMPose's 2D annotation of FreiHAND images, in the order of annotations.

    The file has neither camera nor depth, so that these are no samples of a mesh data
    set; they serve to check images and row numbers.
    """
    data = read_json(ann_file)
    images = {image['id']: image for image in lookup(data, ann_file, 'images')}
    found = []
    for annotation in lookup(data, ann_file, 'annotations'):
        number, label = annotation.get('image_id'), f'annotation {annotation.get("id")}'
        if number not in images:
            raise UserError(
                f'{ann_file}: {label} is of image {number}, which the file does not '
                'list; download it again'
            )
        image = images[number]
        path = Path(image_folder) / image['file_name']
        found.append(
            Keypoints(
                str(path),
                int(number),
                (image['width'], image['height']),
                *_points_and_box(annotation, ann_file, label),
            )
        )
    return found


def _points_and_box(annotation: dict, ann_file: str | Path, label: str) -> tuple:
    """Pixels (21, 2), which are valid (21,), and the box (4,) of an annotation."""
    where = f'{ann_file}, {label}'
    points = np.reshape(lookup(annotation, where, 'keypoints'), -1)
    points = numbers(points, (63,), ann_file, f'keypoints of {label}').reshape(21, 3)
    box = lookup(annotation, where, 'bbox')
    box = numbers(box, (4,), ann_file, f'bbox of {label}')
    return points[:, :2], points[:, 2] > 0, box
