"""InterWild's and IntagHand's evaluations of InterHand2.6M from their definitions.

One image, hand and joint at a time; the regressor and the orders are typed here.
"""

import numpy as np

from mmhand_dne.hand_model import MANOLayer

# 16 MANO joints, then the tips of thumb, index, middle, ring, pinky -> OpenPose.
OPENPOSE = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
FROM_INTERHAND = [
    20,
    3,
    2,
    1,
    0,
    7,
    6,
    5,
    4,
    11,
    10,
    9,
    8,
    15,
    14,
    13,
    12,
    19,
    18,
    17,
    16,
]
WRIST_TIPS, MCP_TIPS = (745, 317, 445, 556, 673), (745, 317, 444, 556, 673)
SIDES = ('right', 'left')


def regressor(side, tips):
    layer = MANOLayer(side)
    rows = np.zeros((21, 778))
    rows[:16] = layer.J_regressor.double().numpy()
    for k, vertex in enumerate(tips):
        rows[16 + k, vertex] = 1.0
    return rows[OPENPOSE]


def norm(vector):
    return float(np.sqrt((np.asarray(vector) ** 2).sum()))


def array(value):
    return np.asarray(value, np.float64)[0]


def box_is_good(pixels, width, height):
    if len(pixels) == 0:
        return False
    (x0, y0), (x1, y1) = pixels.min(0), pixels.max(0)
    w, h = 1.2 * (x1 - x0), 1.2 * (y1 - y0)
    x, y = max(0, (x0 + x1 - w) / 2), max(0, (y0 + y1 - h) / 2)
    right = min(width - 1, x + max(0, w - 1))
    bottom = min(height - 1, y + max(0, h - 1))
    return w * h > 0 and right > x and bottom > y


def wrist_scores(samples):
    """InterWild: per-joint lists, hand lists, pairs."""
    rows = regressor('right', WRIST_TIPS)  # for both hands
    joint_errors = {'SH': [[] for _ in range(42)], 'IH': [[] for _ in range(42)]}
    mesh_errors, rrve, mrrpe = {'SH': [], 'IH': []}, [], []
    for sample in samples:
        gt, pred = sample.gt_instance_labels, sample.pred_instances
        given = sample.gt_instances
        height, width = sample.ori_shape
        seen = array(given.keypoints_visible).reshape(2, 21)[:, FROM_INTERHAND] > 0
        pixels = array(given.keypoints).reshape(2, 21, 3)[:, FROM_INTERHAND, :2]
        joints = array(given.keypoints_cam).reshape(2, 21, 3)[:, FROM_INTERHAND]
        if seen.sum() == 0 or array(gt.hand_joints_valid)[:, 0].sum() == 0:
            continue
        boxes = [box_is_good(pixels[h][seen[h]], width, height) for h in range(2)]
        for h in range(2):
            if not boxes[h]:
                seen[h] = False
        kind = 'IH' if sample.hand_type == 'interacting' else 'SH'
        meshes, true_meshes, wrists = [], [], []
        for h in range(2):
            mesh = array(pred.hand_vertices)[h]
            true_mesh = array(gt.hand_vertices)[h]
            found = rows @ mesh
            wrists.append(1000 * (found[0] + array(pred.hand_root_cam)[h]))
            meshes.append(1000 * (mesh - found[0]))
            true_meshes.append(1000 * (true_mesh - (rows @ true_mesh)[0]))
            for j in range(21):
                if seen[h, j]:
                    error = 1000 * (found[j] - found[0]) - (joints[h, j] - joints[h, 0])
                    joint_errors[kind][21 * h + j].append(norm(error))
        step, true_step = wrists[1] - wrists[0], joints[1, 0] - joints[0, 0]
        if seen[0, 0] and seen[1, 0]:
            mrrpe.append(norm(step - true_step))
        has = [boxes[h] and array(gt.hand_vertices_valid)[h] > 0 for h in range(2)]
        for h in range(2):
            if has[h] and sample.hand_type in (SIDES[h], 'interacting'):
                mesh_errors[kind].append(
                    np.mean([norm(p - t) for p, t in zip(meshes[h], true_meshes[h])])
                )
        if kind == 'IH' and all(has):
            pairs = list(zip(meshes[0], true_meshes[0])) + [
                (p + step, t + true_step) for p, t in zip(meshes[1], true_meshes[1])
            ]
            rrve.append(np.mean([norm(p - t) for p, t in pairs]))
    own = {k: [np.mean(e) for e in lists if e] for k, lists in joint_errors.items()}
    found = {
        'MPJPE_SH': own['SH'],
        'MPJPE_IH': own['IH'],
        'MPJPE_All': own['SH'] + own['IH'],
        'MPVPE_SH': mesh_errors['SH'],
        'MPVPE_IH': mesh_errors['IH'],
        'MPVPE_All': mesh_errors['SH'] + mesh_errors['IH'],
        'RRVE': rrve,
        'MRRPE': mrrpe,
    }
    return {f'wrist/{k}': np.mean(v) for k, v in found.items() if v}


def mcp_scores(samples):
    """IntagHand: two-hand frames, middle knuckle, true bone length."""
    rows = {side: regressor(side, MCP_TIPS) for side in SIDES}
    errors = {f'{name}_{side}': [] for name in ('MPJPE', 'MPVPE') for side in SIDES}
    for sample in samples:
        gt, pred = sample.gt_instance_labels, sample.pred_instances
        if (
            sample.hand_type != 'interacting'
            or not sample.hand_type_valid[0]
            or not array(gt.hand_vertices_valid).all()
            or sample.image_mean < 10
        ):
            continue
        for h, side in enumerate(SIDES):
            mesh = array(pred.hand_vertices)[h]
            true_mesh = array(gt.hand_vertices)[h]
            found, wanted = rows[side] @ mesh, rows[side] @ true_mesh
            length = norm(found[9] - found[0])
            scale = norm(wanted[9] - wanted[0]) / length if length > 0 else 1.0
            for name, points, true_points in (
                ('MPJPE', found, wanted),
                ('MPVPE', mesh, true_mesh),
            ):
                errors[f'{name}_{side}'] += [
                    1000 * norm((p - found[9]) * scale - (t - wanted[9]))
                    for p, t in zip(points, true_points)
                ]
    scores = {name: np.mean(values) for name, values in errors.items() if values}
    for name in ('MPJPE', 'MPVPE'):
        if f'{name}_right' in scores:
            both = [scores[f'{name}_{side}'] for side in SIDES]
            scores[name] = sum(both) / 2
    return {f'mcp_scaled/{k}': v for k, v in scores.items()}
