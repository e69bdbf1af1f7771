"""All steps in order: source hands to the arrays of the CC0 hand."""

import numpy as np

from .appearance import dense_nails, texture_coordinates, vertex_colors
from .coarse_mesh import make_coarse_mesh, number_vertices
from .layout import (
    BONES,
    FINGERS,
    JOINT_OF_BONE,
    LOOP_IDS,
    PARENTS,
    TIP_IDS,
    WRIST,
    WRIST_BONE,
    WRIST_TO_MIDDLE,
)
from .pose_space import (
    anatomical_axes,
    pose_components,
    pose_corrections,
    relaxed_thumb,
    sample_poses,
    single_joint_poses,
)
from .posing import flatten
from .shape_space import joint_regressor, keep_largest_weights, shape_directions
from .source import load_source, nail_mask

NUM_POSES, POSE_SEED = 20000, 1
NUM_FIT_POSES, NUM_BENT_POSES, BENT_SEED = 1200, 600, 3
POSEDIRS_GRID = 2.0**20  # steps per metre: 1 um compresses better and is invisible
TYPES = dict(
    f=np.int32,
    kintree_table=np.int32,
    tips=np.int32,
    wrist_loop=np.int32,
    ft=np.int32,
    part=np.uint8,
    color=np.uint8,
)


def build_arrays(log=print):
    """The arrays of the right hand, float32, as in ``cc0_hand.npz``."""
    log('loading the source hands')
    source = load_source()
    tips = _fingertips(source)
    log(f'flattening {len(source.vertices)} hands')
    hands, joints, flat = _flat_hands(source, tips)
    dense = hands.mean(0)

    log('building the mesh')
    operator, reader, weights, faces = _mesh(dense, source, tips)

    log('shape space and joints')
    template, shapedirs, shares, regressor = _shape_space(
        np.einsum('vd,sdc->svc', operator, hands), joints, weights, log
    )

    log('pose space and corrections')
    nails = dense_nails(nail_mask(), source, len(dense))
    nail = np.clip(reader @ nails, 0, 1)
    axes = anatomical_axes(template, faces, nail)
    thumb = relaxed_thumb(flat)
    poses = sample_poses(axes, NUM_POSES, POSE_SEED, thumb)
    mean, components, deviations = pose_components(poses)
    bent = single_joint_poses(axes, NUM_BENT_POSES, BENT_SEED)
    posedirs = pose_corrections(
        reader, weights, flat, source.weights, np.r_[poses[:NUM_FIT_POSES], bent]
    )

    log('colours')
    coordinates, uv_faces = texture_coordinates(template, faces, dense, source)
    return _typed(
        v_template=template,
        f=faces,
        shapedirs=shapedirs,
        posedirs=(posedirs.astype(np.float32) * POSEDIRS_GRID).round() / POSEDIRS_GRID,
        J_regressor=regressor,
        weights=weights,
        kintree_table=np.stack([PARENTS, np.arange(16)]),
        hands_components=components,
        hands_mean=mean,
        hands_std=deviations,
        tips=np.array([indices[0] for indices in TIP_IDS.values()]),
        wrist_loop=np.array(LOOP_IDS),
        part=weights.argmax(1),
        color=vertex_colors(template, faces, regressor @ template, nail),
        vt=coordinates,
        ft=uv_faces,
        betas_var=shares,
        flex_axes=axes[1:, 0],
        dorsal_axes=axes[1:, 1],
        thumb_rest=thumb,
    )


def _mesh(dense, source, tips):
    """The coarse mesh, numbered: operator, reader (V, N), weights (V, 16), faces."""
    mesh = make_coarse_mesh(dense, source.faces, source.weights, tips)
    bone_weights = np.zeros((len(dense), 16))
    np.add.at(bone_weights.T, JOINT_OF_BONE, source.weights.T)
    weights = keep_largest_weights(mesh.reader @ bone_weights)
    order, faces = number_vertices(
        mesh.operator @ dense, mesh.faces, mesh.tips, weights.argmax(1)
    )
    return mesh.operator[order], mesh.reader[order], weights[order], faces


def _shape_space(samples, joints, weights, log):
    """Mean, shape directions, their shares and the joint regressor of sample hands."""
    template = samples.mean(0)
    shapedirs, shares = shape_directions(samples)
    held_out = np.arange(len(samples)) % 5 == 0
    regressor = joint_regressor(samples[~held_out], joints[~held_out], weights)
    found = np.einsum('jv,svc->sjc', regressor, samples[held_out])
    error = np.linalg.norm(found - joints[held_out], axis=-1) * 1e3
    log(f'joints of held-out hands: mean {error.mean():.2f} mm, max {error.max():.2f}')
    return template, shapedirs, shares, regressor


def _typed(**arrays):
    return {
        name: np.ascontiguousarray(array, TYPES.get(name, np.float32))
        for name, array in arrays.items()
    }


def _fingertips(source):
    """Of each finger, the vertex farthest along the last bone."""
    vertices, heads = source.vertices.mean(0), source.heads.mean(0)
    tips = {}
    for name in FINGERS:
        _, middle, last = BONES[name]
        own = np.where(source.weights[:, last] > 0.6)[0]
        along = (vertices[own] - heads[last]) @ (heads[last] - heads[middle])
        tips[name] = int(own[np.argmax(along)])
    return tips


def _flat_hands(source, tips):
    """Flat vertices and joints of every sample, and the mean hand's flattening."""
    middle = source.heads[:, BONES['middle'][0]] - source.heads[:, WRIST_BONE]
    scale = WRIST_TO_MIDDLE / np.linalg.norm(middle, axis=1).mean()
    hands, flats = flatten(source.vertices, source.heads, source.weights, tips, scale)
    means = source.vertices.mean(0)[None], source.heads.mean(0)[None]
    _, flat = flatten(*means, source.weights, tips, scale)
    gains = np.c_[np.zeros(len(hands)), source.gains][:, None] + 1
    hands = (hands - WRIST) * gains + WRIST
    joints = (flats.joints - WRIST) * gains + WRIST
    return hands, joints, flat
