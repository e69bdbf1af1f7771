"""Small sets in FreiHAND's and HO-3D's official formats, of the embedded hand."""

import functools
import json
import struct
from pathlib import Path

import cv2
import numpy as np
import torch

from mmhand_dne.conventions import HO3D_JOINTS, OPENPOSE_JOINTS, reorder, tip_vertices
from mmhand_dne.hand_model import MANOLayer

BACKGROUNDS = 4
FROM_HO3D = reorder(HO3D_JOINTS, OPENPOSE_JOINTS)
OPENGL = np.array([1.0, -1, -1])  # signs of the axes
NOT_LISTED = '0099'  # a frame on disk that has no annotation and is in no list


@functools.cache
def right_layer() -> MANOLayer:
    return MANOLayer('right')


@torch.no_grad()
def make_hand(rng, tips, depth=0.7, mean=True) -> dict:
    """A posed right hand before a camera: y down, z forward, metres."""
    layer = right_layer()
    pose = np.concatenate([rng.normal(0, 0.5, 3), rng.normal(0, 0.2, 45)])
    betas = rng.normal(0, 0.7, 10)
    rotations = layer.absolute_pose(torch.tensor(pose).float(), mean=mean)
    vertices, chain = layer.posed(rotations, torch.tensor(betas).float())
    vertices, chain = vertices.double().numpy(), chain.double().numpy()
    shift = rng.normal(0, 0.01, 3) + [0, 0, depth] - vertices.mean(0)
    regressor = layer.joint_regressor(tips).double().numpy()
    vertices = vertices + shift
    tip_points = vertices[list(tip_vertices(tips))]
    return dict(
        pose=pose,
        betas=betas,
        trans=shift,
        vertices=vertices,
        rotations=rotations.numpy(),
        joints=regressor @ vertices,
        chain=np.concatenate([chain + shift, tip_points]),
    )


def draw(path, size, pixels, rng) -> None:
    """Noise with a white spot at each joint."""
    noise = rng.integers(0, 90, (size[1] // 16, size[0] // 16, 3), dtype=np.uint8)
    picture = cv2.resize(noise, size)
    for x, y in pixels:
        cv2.circle(picture, (round(x), round(y)), 2, (255, 255, 255), -1)
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), picture)


def to_pixels(points, intrinsics) -> np.ndarray:
    image = points @ intrinsics.T
    return image[:, :2] / image[:, 2:]


def write_freihand(root, num_rows=2, seed=0, split='training', folder='') -> list:
    """Write one split of FreiHAND v2; returns the hands of its rows.

    Args:
        root: where the archive was unpacked.
        folder: top-level folder of the files in it, '' for none.
    """
    rng, root = np.random.default_rng(seed), Path(root) / folder
    tables = {name: [] for name in ('K', 'xyz', 'verts', 'mano', 'scale')}
    hands = []
    for row in range(num_rows):
        hand = make_hand(rng, 'freihand')
        centre, focal = rng.normal(112, 3, 2), rng.normal([480, 490], 5)
        intrinsics = np.array(
            [[focal[0], 0, centre[0]], [0, focal[1], centre[1]], [0, 0, 1]]
        )
        middle, mean_focal = hand['joints'][9], focal.mean()
        scale = mean_focal / middle[2]
        hand['mano'] = np.concatenate(
            [hand['pose'], hand['betas'], middle[:2] * scale + centre, [scale]]
        )
        bone = np.linalg.norm(middle - hand['joints'][10])
        for name, value in (
            ('K', intrinsics),
            ('xyz', hand['joints']),
            ('verts', hand['vertices']),
            ('mano', hand['mano'][None]),
            ('scale', bone),
        ):
            tables[name].append(value.tolist())
        hand['K'], hand['pixels'] = intrinsics, to_pixels(hand['joints'], intrinsics)
        hands.append(hand)
        for version in range(BACKGROUNDS if split == 'training' else 1):
            path = root / split / 'rgb' / f'{row + num_rows * version:08d}.jpg'
            draw(path, (224, 224), hand['pixels'], rng)
    for name, rows in tables.items():
        (root / f'{split}_{name}.json').write_text(json.dumps(rows))
    return hands


def write_ho3d(root, num_frames=3, seed=0, version=2) -> dict:
    """Write train and evaluation with released ground truth; returns the hands of each.

    Version 2 has png images, version 3 jpg images and the contact fields.
    """
    rng, root = np.random.default_rng(seed), Path(root)
    suffix, hands = {2: 'png', 3: 'jpg'}[version], {}
    for split, sequence in (('train', 'ABF10'), ('evaluation', 'SM1')):
        lines, hands[split] = [], []
        for index in range(num_frames):
            name = f'{7 * index:04d}'  # frames with gaps, zero padded
            hand = ho3d_hand(rng)
            folder = root / split / sequence
            draw(folder / 'rgb' / f'{name}.{suffix}', (640, 480), hand['pixels'], rng)
            table = ho3d_table(rng, hand, split, version)
            write_python2(folder / 'meta' / f'{name}.pkl', table)
            hands[split].append(hand)
            lines.append(f'{sequence}/{name}')
        empty = dict.fromkeys(ho3d_table(rng, hands[split][0], split, version))
        write_python2(folder / 'meta' / f'{NOT_LISTED}.pkl', empty)
        (root / f'{split}.txt').write_text('\n'.join(lines) + '\n')
    for name, key in (('xyz', 'joints_gl'), ('verts', 'vertices_gl')):
        rows = [hand[key].tolist() for hand in hands['evaluation']]
        (root / f'evaluation_{name}.json').write_text(json.dumps(rows))
    return hands


def ho3d_hand(rng) -> dict:
    """A hand with absolute pose, posed in OpenGL axes as the files have it.

    The annotated joints are where MANO's chain turns; ``pixels`` show those that are
    regressed from the mesh, as in the other sets.
    """
    hand = make_hand(rng, 'ho3d', depth=-0.6, mean=False)
    hand['K'] = np.array([[617.3, 0, 312.4], [0, 615.9, 241.4], [0, 0, 1]])
    hand['pixels'] = to_pixels(hand['joints'] * OPENGL, hand['K'])
    hand['vertices_gl'], hand['joints_gl'] = hand['vertices'], hand['chain']
    hand['vertices'] = hand['vertices_gl'] * OPENGL
    hand['joints'] = (hand['chain'] * OPENGL)[FROM_HO3D]
    return hand


def ho3d_table(rng, hand, split, version) -> dict:
    """The dictionary of a ``meta`` file."""
    table = dict(
        camMat=hand['K'],
        objRot=rng.normal(0, 1, (3, 1)),
        objTrans=rng.normal(0, 0.1, 3),
        objName='021_bleach_cleanser',
        objCorners3DRest=rng.normal(0, 0.1, (8, 3)),
    )
    if split == 'evaluation':
        corners = [hand['pixels'].min(0) - 5, hand['pixels'].max(0) + 5]
        return dict(
            table,
            handJoints3D=hand['joints_gl'][0],
            handBoundingBox=np.concatenate(corners),
        )
    table.update(
        handJoints3D=hand['joints_gl'],
        handPose=hand['pose'],
        handTrans=hand['trans'],
        handBeta=hand['betas'],
        objLabel=12,
        objCorners3D=rng.normal(0, 0.1, (8, 3)),
        camIDList=['0', '1', 'caf\xe9'],
    )
    if version == 3:
        table.update(
            handVertContact=np.zeros(778, bool),
            handVertDist=rng.random(778),
            handVertIntersec=np.zeros(778, bool),
            handVertObjSurfProj=np.zeros((778, 3)),
        )
    return table


def write_python2(path, value) -> None:
    """Pickle as Python 2 did: protocol 2, its module names, byte strings."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b'\x80\x02' + python2(value) + b'.')


def python2(value) -> bytes:
    if value is None:
        return b'N'
    if isinstance(value, str):
        data = value.encode('latin1')  # a str of Python 2 is bytes
        return b'T' + struct.pack('<i', len(data)) + data
    if isinstance(value, (int, np.integer)):
        return b'J' + struct.pack('<i', value)
    if isinstance(value, dict):
        items = b''.join(python2(k) + python2(v) for k, v in value.items())
        return b'}(' + items + b'u'
    if isinstance(value, list):
        return b'](' + b''.join(map(python2, value)) + b'e'
    array = np.ascontiguousarray(value)
    code = python2(array.dtype.str.lstrip('<|'))
    order = python2('|' if array.dtype.itemsize == 1 else '<')
    false = b'I00\n'
    kind = (
        b'cnumpy\ndtype\n'
        + code
        + python2(0)
        + python2(1)
        + b'\x87R('
        + python2(3)
        + order
        + b'NNN'
        + python2(-1) * 2
        + python2(0)
        + b'tb'
    )
    shape = b'(' + b''.join(map(python2, array.shape)) + b't'
    return (
        b'cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n'
        + b'('
        + python2(0)
        + b't'
        + python2('b')
        + b'tR('
        + python2(1)
        + shape
        + kind
        + false
        + python2(array.tobytes().decode('latin1'))
        + b'tb'
    )
