"""Annotation files of InterHand2.6M's schema at its size, with made-up numbers."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

CAMERAS = 73  # images per frame: 1,361,062 images of 18,718 frames
FRAMES = 700  # per capture
FRAME_STEP = 18  # of the frames' numbers
DEPTH = 1000.0  # mm; cameras look at the origin from there
VARIANTS = 64  # different hands; files of repeated ones are as long
KINDS = ('right', 'left', 'interacting')
IMAGE = (
    '{"id": %d, "file_name": "Capture%d/%04d_ROM/cam%s/image%d.jpg", "width": 334, '
    '"height": 512, "capture": %d, "subject": %d, "seq_name": "%04d_ROM", '
    '"camera": "%s", "frame_idx": %d}'
)
ANNOTATION = (
    '{"id": %d, "image_id": %d, "bbox": [%.14f, %.14f, %.13f, %.13f], "joint_valid": '
    '%s, "hand_type": "%s", "hand_type_valid": 1}'
)


def camera_name(number: int) -> str:
    """InterHand2.6M's names: 400xxx are colour cameras."""
    return str(400002 + number)


def write_files(folder: Path, count: int, seed: int = 0) -> dict[str, Path]:
    """Write the four files of a split of ``count`` images.

    Returns: their paths as arguments of ``InterHandMeshDataset``.
    """
    rng = np.random.default_rng(seed)
    frames = -(-count // CAMERAS)
    names = dict(
        ann_file='data',
        camera_file='camera',
        joint_file='joint_3d',
        mano_file='MANO_NeuralAnnot',
    )
    paths = {
        argument: folder / f'InterHand2.6M_train_{name}.json'
        for argument, name in names.items()
    }
    _write_data(paths['ann_file'], count, rng)
    captures = -(-frames // FRAMES)
    table = {str(capture): _cameras(rng) for capture in range(captures)}
    paths['camera_file'].write_text(json.dumps(table))
    _write_frames(
        paths['joint_file'],
        frames,
        [_joints(rng, kind) for kind in KINDS for _ in range(VARIANTS)],
    )
    _write_frames(
        paths['mano_file'],
        frames,
        [_mano(rng, kind) for kind in KINDS for _ in range(VARIANTS)],
    )
    return paths


def _shot(row: int) -> tuple[int, int, int]:
    """Capture, frame and camera of an image."""
    frame, camera = divmod(row, CAMERAS)
    capture, number = divmod(frame, FRAMES)
    return capture, 1000 + FRAME_STEP * number, camera


def _kind(frame: int) -> int:
    return frame % len(KINDS)


def _write_data(path: Path, count: int, rng) -> None:
    valid = [
        json.dumps([[int(one)] for one in np.repeat(sides, 21)])
        for sides in ((1, 0), (0, 1), (1, 1))
    ]
    boxes = rng.uniform(60, 120, (VARIANTS, 4))

    def images() -> Iterator[str]:
        for row in range(count):
            capture, frame, camera = _shot(row)
            name, sequence = camera_name(camera), frame % 50
            yield IMAGE % (
                row + row // 50,
                capture,
                sequence,
                name,
                frame,
                capture,
                capture % 26,
                sequence,
                name,
                frame,
            )

    def annotations() -> Iterator[str]:
        for row in range(count):
            kind, number = _kind(row // CAMERAS), row + row // 50  # with gaps
            yield ANNOTATION % (
                number,
                number,
                *boxes[row % VARIANTS],
                valid[kind],
                KINDS[kind],
            )

    with open(path, 'w', encoding='utf-8') as file:
        file.write('{"images": [')
        _write_items(file, images())
        file.write('], "annotations": [')
        _write_items(file, annotations())
        file.write(']}')


def _write_items(file, items: Iterator[str]) -> None:
    separator = ''
    for item in items:
        file.write(separator + item)
        separator = ', '


def _cameras(rng) -> dict:
    entries = dict(campos={}, camrot={}, focal={}, princpt={})
    for number in range(CAMERAS):
        rotation, _ = np.linalg.qr(rng.normal(size=(3, 3)))
        rotation *= np.sign(np.linalg.det(rotation))
        name = camera_name(number)
        entries['campos'][name] = (-rotation.T @ (0, 0, DEPTH)).tolist()
        entries['camrot'][name] = rotation.tolist()
        entries['focal'][name] = rng.uniform(1200, 1300, 2).tolist()
        entries['princpt'][name] = (np.array([167, 256]) + rng.normal(0, 5, 2)).tolist()
    return entries


def _write_frames(path: Path, count: int, texts: list[str]) -> None:
    """``{capture: {frame: entry}}``; texts: VARIANTS entries of each kind."""
    with open(path, 'w', encoding='utf-8') as file:
        for frame in range(count):
            capture, number = divmod(frame, FRAMES)
            start = '{' if not frame else '}, ' if not number else ', '
            if not number:
                start += f'"{capture}": {{'
            text = texts[_kind(frame) * VARIANTS + frame % VARIANTS]
            file.write(f'{start}"{1000 + FRAME_STEP * number}": {text}')
        file.write('}}')


def _joints(rng, kind: str) -> str:
    valid = np.repeat([kind != 'left', kind != 'right'], 21)
    joints = np.where(valid[:, None], rng.uniform(-100, 100, (42, 3)), 1.0)
    return json.dumps(
        dict(
            world_coord=joints.tolist(),
            joint_valid=[[bool(one)] for one in valid],
            hand_type=kind,
            hand_type_valid=True,
        )
    )


def _mano(rng, kind: str) -> str:
    hands = {
        side: dict(
            pose=rng.normal(0, 0.3, 48).tolist(),
            shape=rng.normal(0, 0.5, 10).tolist(),
            trans=rng.normal(0, 0.05, 3).tolist(),
        )
        if kind in (side, 'interacting')
        else None
        for side in ('right', 'left')
    }
    return json.dumps(hands)
