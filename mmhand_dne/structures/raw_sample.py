"""The one table of the raw sample: the dict between a data set and PackHandInputs.

A data set's ``get_data_info`` starts this dict, each transform of its pipeline reads
and changes it, and :class:`PackHandInputs` turns it into the fields of
``HAND_LABELS``. A new key needs an entry here. S = 2 hand slots (right, left), J = 21
joints in OpenPose order, V vertices; H, W of the image as it is then; K keypoints of D
coordinates, 42 and 3 of both hands. Ground truth that is not known is zero (rotations:
identity) and masked.
"""

from typing import Any, NamedTuple

import numpy as np

from .ground_truth_fields import SIZES

DATA_SET = 'data set'  # any of the registered ones
UNPOSED = 'unposed data set'  # one that leaves the meshes to the batch
# What changes a ground-truth field: see RawField.
POINTS, HANDS, IMAGE, MMPOSE = 'points', 'hands', 'image', 'mmpose'


class RawField(NamedTuple):
    """A key of the raw sample.

    Attributes:
        shape: dimensions, in letters (see ``SIZES``) and numbers; '': not an array.
        unit: unit and frame.
        writers: who adds the key: data sets, registered classes, or the inferencer's
            ``CropPipeline``. Transforms that change a value keep its meaning.
        group: of ground truth only. POINTS: (S, ..., 3), positions in camera axes,
            which rotate, are mirrored and change slots with the hands. HANDS: (S, ...),
            changes slots with them. IMAGE: of all hands together. MMPOSE: what MMPose's
            metrics and visualizers read, of the image before it is cropped.
        dtype: NumPy's, of ground truth only.
    """

    shape: str
    unit: str
    writers: tuple[str, ...] = (DATA_SET,)
    group: str = ''
    dtype: str = 'float64'


_CROPS = ('MeshCrop', 'HaMeRCrop')

RAW_FIELDS: dict[str, RawField] = {
    # The image.
    'id': RawField('', "the annotation's number"),
    'img_id': RawField('', "the image's number"),
    'img_path': RawField('', 'path of the file'),
    'width': RawField('', "pixels, the annotation's; absent where it does not tell"),
    'height': RawField('', "pixels, the annotation's; absent where it does not tell"),
    'sample_idx': RawField('', 'index in the data set'),
    'dataset_name': RawField('', "the data set's name, of its metainfo"),
    'img': RawField('H W 3', 'BGR, uint8, or float32 in 0..255', ('LoadHandImage',)),
    'img_shape': RawField('2', 'pixels, height and width', ('LoadHandImage',)),
    'ori_shape': RawField('2', 'pixels, height and width', ('LoadHandImage',)),
    'image_mean': RawField('', 'mean grey value, 0..255', ('LoadHandImage',)),
    # Its camera and its box.
    'intrinsics': RawField('3 3', 'pixels of the image or, once cut, of the crop'),
    'focal': RawField('2', 'pixels of the image'),
    'principal_pt': RawField('2', 'pixels of the image'),
    'bbox': RawField('1 4', 'pixels of the image, corners x0, y0, x1, y1'),
    'bbox_score': RawField('1', '1'),
    'box_angle': RawField(
        '',
        'degrees, clockwise about the middle of the box',
        ('CropPipeline', 'UprightHandBox'),
    ),
    # Which hand, and how the image was changed.
    'hand_slot': RawField('', '0 right, 1 left', ('SingleHandDataset',)),
    'hand_side': RawField('', "'right' or 'left'", ('SelectHand', 'OneHandKeypoints')),
    'flip': RawField('', 'whether it was mirrored', ('SelectHand', 'RandomMeshFlip')),
    'crop_affine': RawField('2 3', 'pixels of the image to the crop', _CROPS),
    'input_size': RawField('2', 'pixels, width and height of the crop', _CROPS),
    'input_scale': RawField('2', 'pixels of the image, sides of the crop', _CROPS),
    'input_center': RawField('2', 'pixels of the image, middle of the crop', _CROPS),
    # Where each keypoint goes in a mirror.
    'flip_indices': RawField('K', 'index', (DATA_SET, 'OneHandKeypoints')),
    # Ground truth.
    'joints_cam': RawField('S J 3', 'metres, camera axes, as annotated', group=POINTS),
    'joints_valid': RawField('S J', 'annotated', group=HANDS, dtype='bool'),
    'joint_in_image': RawField('S J', 'in the image', group=HANDS, dtype='bool'),
    'mesh_vertices': RawField(
        'S V 3', 'metres, camera axes, from the own wrist', group=POINTS
    ),
    'mesh_joints': RawField(
        'S J 3', "metres, camera axes, the mesh's, from the own wrist", group=POINTS
    ),
    'mesh_root': RawField('S 3', "metres, camera axes, the mesh's wrist", group=POINTS),
    'mesh_valid': RawField('S', 'has a mesh', group=HANDS, dtype='bool'),
    'mano_rotations': RawField(
        'S 16 3 3', 'absolute, MANO order, global first', group=HANDS
    ),
    'mano_betas': RawField('S 10', 'MANO shape', group=HANDS),
    'mano_valid': RawField('S', 'has MANO parameters', group=HANDS, dtype='bool'),
    'hand_presence': RawField('S', '0 or 1', group=HANDS, dtype='float32'),
    'hand_presence_valid': RawField('S', '0 or 1', group=HANDS, dtype='float32'),
    'hand_type': RawField('1 S', '0 or 1, what shows', group=IMAGE, dtype='float32'),
    'hand_type_valid': RawField('1', '0 or 1', group=IMAGE, dtype='int64'),
    # The same joints as MMPose has them: both hands in a row, InterHand2.6M's order.
    'keypoints': RawField(
        '1 K D',
        "pixels; of both hands also millimetres from the wrist's depth",
        (DATA_SET,),
        MMPOSE,
        'float32',
    ),
    'keypoints_cam': RawField(
        '1 K 3', 'millimetres, camera axes', group=MMPOSE, dtype='float32'
    ),
    'keypoints_visible': RawField('1 K', '0 or 1', group=MMPOSE, dtype='float32'),
    'abs_depth': RawField('S', "millimetres, the wrist's depth", group=MMPOSE),
    # In the place of all ground truth above but hand_type, where the hands are posed
    # with their batch.
    'hand_parameters': RawField(
        'P', 'a row of hand_parameters.py, as the data set has it', (UNPOSED,)
    ),
    'parameter_axes': RawField(
        '3 3', 'from the axes of these parameters to the camera', (UNPOSED,)
    ),
    'hand_name': RawField('3', 'the HandName that they are of', (UNPOSED,)),
    'rel_root_depth': RawField(
        '', "millimetres, the left wrist's depth less the right"
    ),
    'rel_root_valid': RawField('', '0 or 1, both wrists are annotated'),
}


def names_of(*groups: str) -> tuple[str, ...]:
    """The ground-truth fields of some groups, in the table's order."""
    return tuple(name for name, field in RAW_FIELDS.items() if field.group in groups)


def absent_value(name: str) -> np.ndarray | float:
    """What a ground-truth field holds, in each slot, where nothing is known."""
    return np.eye(3) if name == 'mano_rotations' else 0.0


def empty_sample(num_vertices: int) -> dict[str, Any]:
    """All ground truth of an image about which nothing is known.

    Args:
        num_vertices: V.
    Returns: fresh arrays of all fields with a group.
    """
    sizes = {**SIZES, 'V': num_vertices, 'K': 42, 'D': 3}
    sample = {}
    for name in names_of(POINTS, HANDS, IMAGE, MMPOSE):
        field = RAW_FIELDS[name]
        shape = [int(x) if x.isdigit() else sizes[x] for x in field.shape.split()]
        sample[name] = np.zeros(shape, field.dtype)
        sample[name][...] = absent_value(name)
    return sample
