"""What inference yields: the hands of one image, typed, in documented units and frames.

Camera axes: x right, y down, z forward, of the image as it is seen (after its
orientation tag). Pixels: of the whole image, pixel centres at integers.
"""

from dataclasses import dataclass, fields

import numpy as np

from mmhand_dne.conventions import check_side
from mmhand_dne.errors import UserError


@dataclass(frozen=True, eq=False)
class ManoParameters:
    """MANO parameters of the true side; a left hand has those of the left model.

    ``MANO(global_orient, hand_pose, betas, transl)`` gives the vertices that the model
    regressed, before any refinement, in camera metres (MANO's own frame, rotated into
    camera axes). With smplx: ``flat_hand_mean=True, use_pca=False``, because the mean
    pose is contained.

    Attributes:
        global_orient: (3,) axis-angle, radians.
        hand_pose: (45,) axis-angle, 15 joints in MANO's order, absolute.
        betas: (10,) shape.
        transl: (3,) metres.
    """

    global_orient: np.ndarray
    hand_pose: np.ndarray
    betas: np.ndarray
    transl: np.ndarray

    def __post_init__(self) -> None:
        _check_shapes(
            self, dict(global_orient=(3,), hand_pose=(45,), betas=(10,), transl=(3,))
        )


@dataclass(frozen=True, eq=False)
class HandResult:
    """One hand of an image.

    Attributes:
        side: 'right' or 'left', the true one.
        presence: probability that the image shows this hand, of what found it or, for a
            given box, of the model; 1 from models of one hand that a box is given to.
        vertices: (V, 3) metres, camera axes, relative to the own wrist.
        joints: (21, 3) like the vertices, OpenPose order.
        faces: (F, 3) of that side, wound outward.
        mano: parameters of the true side.
        translation: (3,) the wrist in metres from the camera that ``intrinsics``
            describe; NaN where the predicted scale is not positive.
        intrinsics: (3, 3) of the whole image, pixels; where ``metric`` is False the
            convention: focal length 5000 / 256 * max(W, H), principal point in the
            image's middle.
        metric: whether the intrinsics were given, so that ``translation`` is true to
            scale.
        joints_2d: (21, 2) pixels of the whole image, through the crop's camera.
        vertices_2d: (V, 2) likewise.
        box: (4,) x0, y0, x1, y1 pixels: what the crop was made of, before it was
            rotated about its middle (``crop_affine``).
        crop_camera: (2, 2) rows (scale, shift) for x and y: NDC per metre, crop NDC.
            It applies to vertices rotated as ``crop_affine`` rotates pixels.
        crop_affine: (2, 3) image pixel to crop pixel; never mirrored.
        coarse_vertices: (V, 3) before refinement, relative to their own wrist; None
            for models without stages.
        coarse_vertices_2d: (V, 2) likewise, through the coarse camera.
        joint_covariance: (21, 3, 3) m^2, camera axes, each joint's own block; the
            wrist's is 0. None for models without error bars, as are the next two.
        joint_covariance_full: (60, 60) m^2 of joints 1 to 20, joint by joint, x y z.
        joint_std: (21,) millimetres, square root of the trace of the joint's block.
        presence_of: whose word ``presence`` is: 'model', 'detector', or 'nobody' where
            a box is given to a model that knows none; None in files that do not say.
    """

    side: str
    presence: float
    vertices: np.ndarray
    joints: np.ndarray
    faces: np.ndarray
    mano: ManoParameters
    translation: np.ndarray
    intrinsics: np.ndarray
    metric: bool
    joints_2d: np.ndarray
    vertices_2d: np.ndarray
    box: np.ndarray
    crop_camera: np.ndarray
    crop_affine: np.ndarray
    coarse_vertices: np.ndarray | None = None
    coarse_vertices_2d: np.ndarray | None = None
    joint_covariance: np.ndarray | None = None
    joint_covariance_full: np.ndarray | None = None
    joint_std: np.ndarray | None = None
    presence_of: str | None = None

    def __post_init__(self) -> None:
        check_side(self.side)
        count = len(self.vertices)
        _check_shapes(
            self,
            dict(
                vertices=(count, 3),
                joints=(21, 3),
                faces=(len(self.faces), 3),
                translation=(3,),
                intrinsics=(3, 3),
                joints_2d=(21, 2),
                vertices_2d=(count, 2),
                box=(4,),
                crop_camera=(2, 2),
                crop_affine=(2, 3),
                coarse_vertices=(count, 3),
                coarse_vertices_2d=(count, 2),
                joint_covariance=(21, 3, 3),
                joint_covariance_full=(60, 60),
                joint_std=(21,),
            ),
        )


@dataclass(frozen=True, eq=False)
class ImageResult:
    """All hands of one image or frame.

    Attributes:
        source: path, or 'array 3'.
        index: of the image or frame in the input, from 0.
        size: (W, H) pixels, after the orientation tag; (0, 0) where nothing decoded.
        hands: right before left, then by presence.
        problem: why there is no result, '' otherwise.
        maps: auxiliary maps (C, h, w) of the first crop, when asked for.
        track_ids: one per hand, filled by tracking.
        name: for files about it, different for every image or frame of the input; ''
            where it was not read from one.
    """

    source: str
    index: int
    size: tuple[int, int]
    hands: tuple[HandResult, ...]
    problem: str = ''
    maps: dict[str, np.ndarray] | None = None
    track_ids: tuple[int, ...] = ()
    name: str = ''


def _check_shapes(
    record: HandResult | ManoParameters, shapes: dict[str, tuple[int, ...]]
) -> None:
    optional = {field.name for field in fields(record) if field.default is None}
    for name, shape in shapes.items():
        value = getattr(record, name)
        if value is None and name in optional:
            continue
        if np.shape(value) != shape:
            raise UserError(
                f'{type(record).__name__}: {name} has shape {np.shape(value)}, '
                f'expected {shape}; see its documentation'
            )
