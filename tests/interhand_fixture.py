"""A small set in InterHand2.6M's v1.0 layout, drawn from the embedded hand."""

import json
from pathlib import Path

import cv2
import numpy as np
import torch

from mmhand_dne.conventions import INTERHAND_JOINTS, OPENPOSE_JOINTS, reorder
from mmhand_dne.hand_model import HandPair

TYPES = {'right': ('right',), 'left': ('left',), 'interacting': ('right', 'left')}
SIDES = ('right', 'left')
TO_INTERHAND = reorder(OPENPOSE_JOINTS, INTERHAND_JOINTS)
PLACEHOLDER = 1.0  # millimetres: all coordinates of a joint without annotation


def write_interhand(
    root, num_frames=4, seed=0, split='train', image=True, odd_cases=False
) -> Path:
    """Write images and the four annotation files of a split.

    Right, left and interacting hands take turns, seen by two cameras with fx != fy,
    one upright and one lying.

    Args:
        root: folder to write to.
        num_frames: images.
        seed: of poses, shapes and cameras.
        split: folder and file names.
        image: write the images too.
        odd_cases: every third frame (indices 2, 5, ...) has something that the real
            files have too, in turns: no MANO of the right hand (null); no entry of the
            left hand; no MANO of the frame; joints as a bare list (v0.0);
            ``hand_type_valid`` 0; a left hand without any joint; an invalid wrist.
    Returns: root.
    """
    root, rng, pair = Path(root), np.random.default_rng(seed), HandPair()
    cameras = [
        _camera(rng, name, size)
        for name, size in (('400001', (334, 512)), ('410002', (512, 334)))
    ]
    files = dict(
        data=dict(images=[], annotations=[]),
        camera={'0': _table(cameras)},
        joint_3d={'0': {}},
        MANO_NeuralAnnot={'0': {}},
    )
    for index in range(num_frames):
        kind = list(TYPES)[index % 3]
        camera, frame = cameras[(index // 3 + index) % 2], 1000 + 6 * index
        hands = {side: _hand(rng, pair, side, kind) for side in TYPES[kind]}
        joints, valid = _joints(hands)
        pixels, seen = _seen(camera, joints, valid)
        low, high = pixels[seen].min(0), pixels[seen].max(0)
        box = [*((low + high) / 2 - 0.6 * (high - low)), *(1.2 * (high - low))]
        name = f'Capture0/0000_{kind}/cam{camera["name"]}/image{frame}.jpg'
        _list_image(files['data'], index, name, camera, frame, kind, box, seen)
        files['joint_3d']['0'][str(frame)] = dict(
            world_coord=joints.tolist(),
            joint_valid=[[bool(x)] for x in valid],
            hand_type=kind,
            hand_type_valid=True,
            seq=f'0000_{kind}',
        )
        files['MANO_NeuralAnnot']['0'][str(frame)] = {
            side: hands[side]['mano'] if side in hands else None for side in SIDES
        }
        if image:
            _draw(root / 'images' / split / name, rng, camera, hands, pair)
        if odd_cases and index % 3 == 2:
            _make_odd(index // 3 % 7, files, str(frame))
    files['data']['images'].reverse()  # in another order than their annotations
    folder = root / 'annotations' / split
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / f'InterHand2.6M_{split}_{name}.json').write_text(json.dumps(content))
    return root


def _list_image(data, index, name, camera, frame, kind, box, seen) -> None:
    """Add an image and its annotation; ids with gaps."""
    data['images'].append(
        dict(
            id=7 + 3 * index,
            file_name=name,
            width=camera['size'][0],
            height=camera['size'][1],
            capture=0,
            subject=0,
            seq_name=f'0000_{kind}',
            camera=camera['name'],
            frame_idx=frame,
        )
    )
    data['annotations'].append(
        dict(
            id=5007 + 2 * index,
            image_id=7 + 3 * index,
            bbox=[float(x) for x in box],
            joint_valid=[[int(x)] for x in seen],
            hand_type=kind,
            hand_type_valid=1,
        )
    )


def dataset_config(root, split='train', **changes) -> dict:
    """Arguments of InterHandMeshDataset for a set written here."""
    files = {
        key: f'annotations/{split}/InterHand2.6M_{split}_{name}.json'
        for key, name in (
            ('ann_file', 'data'),
            ('camera_file', 'camera'),
            ('joint_file', 'joint_3d'),
            ('mano_file', 'MANO_NeuralAnnot'),
        )
    }
    return {
        **files,
        'data_root': str(root),
        'data_prefix': dict(img=f'images/{split}'),
        **changes,
    }


def _camera(rng, name, size) -> dict:
    rotation, _ = cv2.Rodrigues(rng.normal(0, 0.3, 3))
    position = np.array([20.0, -30, 100]) + rng.normal(0, 20, 3)
    # Looks at the origin's hands from about 0.9 m.
    return dict(
        name=name,
        size=size,
        rotation=rotation,
        position=-rotation.T @ (0, 0, 900.0) + 0.05 * position,
        focal=np.array([1250.0, 1265]) * rng.uniform(0.8, 1),
        centre=np.array(size) / 2 + rng.normal(0, 8, 2),
    )


def _table(cameras) -> dict:
    keys = dict(campos='position', camrot='rotation', focal='focal', princpt='centre')
    return {
        key: {c['name']: c[field].tolist() for c in cameras}
        for key, field in keys.items()
    }


def _hand(rng, pair, side, kind) -> dict:
    layer = getattr(pair, side)
    pose = np.concatenate([rng.normal(0, 0.5, 3), rng.normal(0, 0.2, 45)])
    shape = rng.normal(0, 0.7, 10)
    along = 0.0 if kind != 'interacting' else 0.05 * (-1 if side == 'right' else 1)
    rotations = layer.absolute_pose(torch.tensor(pose).float(), mean=True)
    betas = torch.tensor(shape).float()
    with torch.no_grad():
        vertices = layer(rotations, betas).double()
    # The middle of the hand goes near the origin of the world.
    shift = torch.tensor(rng.normal(0, 0.01, 3) + [along, 0, 0]) - vertices.mean(0)
    vertices = vertices + shift
    joints = layer.joints(vertices[None])[0].numpy()
    return dict(
        vertices=vertices.numpy(),
        joints=joints,
        mano=dict(pose=pose.tolist(), shape=shape.tolist(), trans=shift.tolist()),
    )


def _joints(hands):
    """World joints (42, 3), millimetres, InterHand order, and their validity."""
    joints, valid = np.full((2, 21, 3), PLACEHOLDER), np.zeros((2, 21), bool)
    for slot, side in enumerate(SIDES):
        if side in hands:
            joints[slot] = 1000 * hands[side]['joints'][TO_INTERHAND]
            valid[slot] = True
    return joints.reshape(42, 3), valid.reshape(42)


def _project(camera, world):
    points = (world - camera['position']) @ camera['rotation'].T
    return points[:, :2] / points[:, 2:] * camera['focal'] + camera['centre']


def _seen(camera, joints, valid):
    pixels = _project(camera, joints)
    inside = ((pixels >= 0) & (pixels <= np.array(camera['size']) - 1)).all(1)
    return pixels, valid & inside


def _draw(path, rng, camera, hands, pair):
    """Flat-shaded hands, the far faces first, over coarse noise."""
    width, height = camera['size']
    noise = rng.integers(0, 120, (height // 16, width // 16, 3), dtype=np.uint8)
    picture = cv2.resize(noise, (width, height))
    for slot, side in enumerate(SIDES):
        if side not in hands:
            continue
        vertices, faces = 1000 * hands[side]['vertices'], pair.faces[slot].numpy()
        corners = vertices[faces] @ camera['rotation'].T
        normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        light = np.abs(normal[:, 2]) / np.linalg.norm(normal, axis=1).clip(1e-9)
        pixels = np.rint(_project(camera, vertices)[faces]).astype(np.int32)
        for face in np.argsort(-corners[..., 2].mean(1)):
            tone = float(90 + 160 * light[face])
            cv2.fillConvexPoly(picture, pixels[face], (0.6 * tone, 0.75 * tone, tone))
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture, [cv2.IMWRITE_JPEG_QUALITY, 92])


def _make_odd(case, files, frame):
    """One of the irregularities of the real files, in place."""
    annotation = files['data']['annotations'][-1]
    mano, joints = files['MANO_NeuralAnnot']['0'], files['joint_3d']['0']
    if case == 0:
        mano[frame]['right'] = None
    elif case == 1:
        del mano[frame]['left']
    elif case == 2:
        del mano[frame]
    elif case == 3:
        joints[frame] = joints[frame]['world_coord']
    elif case == 4:
        annotation['hand_type_valid'] = 0
    elif case == 5:
        mano[frame]['left'] = None
        for joint in range(21, 42):
            joints[frame]['joint_valid'][joint] = [False]
            joints[frame]['world_coord'][joint] = [PLACEHOLDER] * 3
            annotation['joint_valid'][joint] = [0]
    elif case == 6:
        mano[frame]['right'] = None
        joints[frame]['joint_valid'][20] = annotation['joint_valid'][20] = [0]
