"""Results as Wavefront OBJ: one object a hand, normals, colours beside the vertices."""

import numpy as np

from mmhand_dne.structures.hand_result import ImageResult

from .viewer_scene import scene_of

HEADER = """# mmhand_dne: hands of one picture, metres
# x right, y up, z backward; the camera stands at the origin and looks along -z
"""


def obj_files(result: ImageResult) -> list[tuple[str, bytes]]:
    """One file; none without hands."""
    scene = scene_of(result)
    if not scene:
        return []
    lines, first = [HEADER], 1
    for hand in scene:
        lines.append(f'o {hand.name}\n')
        tint = ' '.join(f'{value / 255:.4f}' for value in hand.color)
        lines += [
            f'v {x:.8g} {y:.8g} {z:.8g} {tint}\n'
            for x, y, z in hand.vertices + hand.place
        ]
        lines += [f'vn {x:.5f} {y:.5f} {z:.5f}\n' for x, y, z in hand.normals]
        for face in np.asarray(hand.faces) + first:
            lines.append('f ' + ' '.join(f'{i}//{i}' for i in face) + '\n')
        first += len(hand.vertices)
    return [('.obj', ''.join(lines).encode())]
