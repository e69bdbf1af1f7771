"""What an exported file says about itself: inputs, outputs, crops, joints, licence."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import nn

from mmhand_dne.conventions import MANO_JOINTS, OPENPOSE_JOINTS, SIDES
from mmhand_dne.datasets.transforms.hamer_crop import DEMO, own_aspect
from mmhand_dne.datasets.transforms.mesh_geometry import crop_size
from mmhand_dne.errors import UserError
from mmhand_dne.geometry.weak_perspective import Size, per_axis
from mmhand_dne.hand_model.mano_layer import MANOLayer
from mmhand_dne.hand_model.mano_source import CC0
from mmhand_dne.version import __version__

KEY = 'mmhand_dne'  # of the description among the file's metadata
# Versions of the description, of square crops and of others; readers refuse what they
# do not know.
SCHEMA, SCHEMA_OF_SHAPES = 1, 2
FRAME = (
    "metres, axes of the crop's camera (x right, y down, z forward), from the "
    "regressor's wrist"
)


class Output(NamedTuple):
    """Shape of an output after N crops and S slots, and what it is."""

    shape: str
    meaning: str


OUTPUTS = dict(
    vertices=Output('778, 3', f'mesh; {FRAME}'),
    joints=Output('21, 3', f'joints of the mesh, row 0 its own wrist; {FRAME}'),
    camera=Output(
        '2, 2',
        'rows (scale, shift) of x and y: crop NDC = scale * metres '
        '+ shift; NDC -1 to 1, y down',
    ),
    presence=Output('', 'probability that the crop shows the hand'),
    rotations=Output(
        '16, 3, 3',
        'rotations of the regressed hand, absolute, MANO '
        'joint order, the global one first',
    ),
    betas=Output('10', 'shape of the regressed hand'),
    joints_ndc=Output('21, 2', 'the joints in the crop, NDC'),
    weak_camera=Output('3', "HaMeR's s, t_x, t_y: NDC per metre, metres"),
    root=Output('3', 'metres, the wrist in the frame of the hand model'),
    coarse_vertices=Output('778, 3', f'mesh before refinement; {FRAME}'),
    coarse_joints=Output('21, 3', f'joints before refinement; {FRAME}'),
    coarse_camera=Output('2, 2', 'camera before refinement, rows (scale, shift)'),
    joint_covariance=Output(
        'd, d',
        'm^2, joints 1 to 20 about the wrist (d = 60) or '
        'all 21 (d = 63), joint by joint, x y z',
    ),
    joint_std=Output('21', "metres, root of the trace of a joint's block"),
)


def describe(
    pipeline: Sequence[dict], model: nn.Module, checkpoint: str
) -> dict[str, Any]:
    """The description of a model, to be stored as JSON.

    Args:
        pipeline: the config's transforms of test images.
        model: a :class:`HandMeshEstimator`.
        checkpoint: name of its file.
    """
    crop = crop_of(pipeline)
    size, faces = crop.pop('input_size'), model.hand_model.faces.tolist()
    sides = SIDES[: model.num_slots]
    return dict(
        schema=SCHEMA if isinstance(size, int) else SCHEMA_OF_SHAPES,
        writer=f'mmhand_dne {__version__}',
        checkpoint=checkpoint,
        slots=sides,
        input=dict(
            name='crops',
            size=size,
            meaning='(N, size, size, 3) uint8, or (N, H, W, 3) of a size (W, H), RGB, '
            'values 0 to 255; a left hand mirrored into a right one where there is one '
            'slot',
        ),
        crop=crop,
        upright=any(step['type'] == 'UprightHandBox' for step in pipeline),
        joints=OPENPOSE_JOINTS,
        rotations=MANO_JOINTS,
        faces=dict(zip(sides, faces)),
        hand=hand_note(model),
        focal_ndc=focal_ndc(model),
        origin_ndc=origin_ndc(model),
    )


def focal_ndc(model: nn.Module) -> Size | None:
    """Focal length of HaMeR's conventional crop camera, NDC, along x and y where they
    differ; None of other models.
    """
    head = model.mano_head
    if not hasattr(head, 'focal'):
        return None
    return per_axis(2 * head.focal, head.image_size)


def origin_ndc(model: nn.Module) -> Size | None:
    """NDC of the axis of HaMeR's own camera, whose depth is that of MANO's origin.

    None where the mesh is placed where it is seen.
    """
    head = model.mano_head
    official = getattr(head, 'official_camera', False) and model.refine_head is None
    return head.origin if official else None


def crop_of(pipeline: Sequence[dict]) -> dict[str, Any]:
    """How a test pipeline cuts its crops.

    Raises: ValueError where no transform of it cuts a crop, or it filters first.
    """
    usual = dict(
        MeshCrop=dict(input_size=256, padding=1.0),
        HaMeRCrop=dict(
            input_size=256, padding=2.0, aspect=(192, 256), half_pixel=False, blur=False
        ),
    )
    for step in pipeline:
        if step['type'] in usual:
            crop = {**usual[step['type']], **step}
            if crop.get('blur') == DEMO:  # an exported file cuts as the evaluation does
                crop['blur'] = False
            if crop.get('blur'):
                raise UserError(
                    'the test pipeline filters images before it shrinks them '
                    '(HaMeRCrop, blur=True), which no runner of the exported file '
                    'does; set blur=False'
                )
            kept = {key: crop[key] for key in ('type', *usual[step['type']])}
            size = crop_size(kept['input_size'], kept['type'])
            kept['input_size'] = size[0] if size[0] == size[1] else size
            if 'aspect' in kept:
                kept['aspect'] = own_aspect(size, kept['aspect'])
            return kept
    raise UserError(
        f'the test pipeline is {[step["type"] for step in pipeline]}; expected '
        'MeshCrop or HaMeRCrop, which say what a crop is'
    )


def hand_note(model: nn.Module) -> str:
    """Whose hand the file contains, and what its licence asks."""
    sources = {
        layer.source for layer in model.modules() if isinstance(layer, MANOLayer)
    }
    if sources == {CC0}:
        return (
            'This file contains the arrays of the CC0 hand, which are in the '
            'public domain (CC0 1.0).'
        )
    return (
        'This file contains the arrays of MANO (template, shape and pose '
        "directions, weights): it is bound by MANO's licence and must not be "
        'passed on to anybody who has not accepted that.'
    )
