"""Each defect of the annotation files is one sentence: file, entry, remedy."""

import json
import math

import pytest

NAMES = dict(
    ann_file='data',
    camera_file='camera',
    joint_file='joint_3d',
    mano_file='MANO_NeuralAnnot',
)


def change(tables, *keys, value=None, remove=False):
    *path, last = keys
    for key in path:
        tables = tables[key]
    if remove:
        del tables[last]
    else:
        tables[last] = value


def first_frame(table):
    return next(iter(table['0'].values()))


# argument, what happens to its table, what the sentence says
DEFECTS = {
    'no camera': (
        'camera_file',
        lambda t: change(t, '0', 'campos', '400001', remove=True),
        r"camera.json: no entry '0/campos/400001'; .*different splits",
    ),
    'no capture': (
        'camera_file',
        lambda t: change(t, '0', remove=True),
        r"camera.json: no entry '0'",
    ),
    'camera of another shape': (
        'camera_file',
        lambda t: change(t, '0', 'focal', '400001', value=[1000.0]),
        r'focal of capture 0, camera 400001 has shape \(1,\), expected \(2,\)',
    ),
    'NaN camera': (
        'camera_file',
        lambda t: change(t, '0', 'princpt', '400001', value=[math.nan, 1]),
        r'princpt of capture 0, camera 400001 holds a number that is not finite',
    ),
    'no joints': (
        'joint_file',
        lambda t: change(t, '0', '1006', remove=True),
        r"joint_3d.json: no entry '0/1006'; .*different splits",
    ),
    'joints of another shape': (
        'joint_file',
        lambda t: change(first_frame(t), 'world_coord', value=[[0, 0, 0]] * 21),
        r'world_coord of 0/1000 has shape \(21, 3\), expected \(42, 3\); .*damaged',
    ),
    'ragged joints': (
        'joint_file',
        lambda t: change(first_frame(t), 'world_coord', 3, value=[1.0]),
        r'world_coord of 0/1000 has shape .* expected \(42, 3\)',
    ),
    'NaN joint': (
        'joint_file',
        lambda t: change(first_frame(t), 'world_coord', 3, 1, value=math.nan),
        r'world_coord of 0/1000 holds a number that is not finite; correct',
    ),
    'half a validity': (
        'joint_file',
        lambda t: change(first_frame(t), 'joint_valid', value=[[1]] * 21),
        r'joint_valid of 0/1000 has shape \(21,\), expected \(42,\)',
    ),
    'MANO without shape': (
        'mano_file',
        lambda t: change(first_frame(t), 'right', 'shape', remove=True),
        r"NeuralAnnot.json, 0/1000/right: no entry 'shape'",
    ),
    'MANO with PCA pose': (
        'mano_file',
        lambda t: change(first_frame(t), 'right', 'pose', value=[0.0] * 15),
        r'pose of 0/1000/right has shape \(15,\), expected \(48,\)',
    ),
    'infinite MANO': (
        'mano_file',
        lambda t: change(first_frame(t), 'right', 'trans', value=[0, math.inf, 0]),
        r'trans of 0/1000/right holds a number that is not finite',
    ),
    'annotation of no image': (
        'ann_file',
        lambda t: change(t, 'annotations', 0, 'image_id', value=-5),
        r'data.json: annotation 5007 is of image -5, which the file does not list',
    ),
    'unknown hand type': (
        'ann_file',
        lambda t: change(t, 'annotations', 0, 'hand_type', value='both'),
        r"annotation 5007 has hand_type 'both', expected one of \['interacting'",
    ),
    'no box': (
        'ann_file',
        lambda t: change(t, 'annotations', 0, 'bbox', remove=True),
        r"annotation of annotation 5007: no entry 'bbox'",
    ),
    'no camera name': (
        'ann_file',
        lambda t: change(t, 'images', -1, 'camera', remove=True),
        r"data.json, image 7: no entry 'camera'",
    ),
    'NaN box': (
        'ann_file',
        lambda t: change(t, 'annotations', 0, 'bbox', 2, value=math.nan),
        r'bbox of annotation 5007 holds a number that is not finite',
    ),
    'hand type of another kind': (
        'ann_file',
        lambda t: change(t, 'annotations', 0, 'hand_type', value=['left']),
        r"annotation 5007 has hand_type \['left'\], expected one of",
    ),
    'no validity of the type': (
        'ann_file',
        lambda t: change(t, 'annotations', 0, 'hand_type_valid', value=None),
        r'hand_type_valid of annotation 5007 is None, expected a whole number',
    ),
    'no image number': (
        'ann_file',
        lambda t: change(t, 'annotations', 0, 'image_id', remove=True),
        r'image_id of annotation 5007 is None, expected a whole number',
    ),
    'width in words': (
        'ann_file',
        lambda t: change(t, 'images', -1, 'width', value='334'),
        r"width of image 7 is '334', expected a whole number",
    ),
    'NaN validity': (
        'ann_file',
        lambda t: change(t, 'annotations', 0, 'joint_valid', 3, value=[math.nan]),
        r'joint_valid of annotation 5007 holds a number that is not finite',
    ),
    'an image that is a number': (
        'ann_file',
        lambda t: change(t, 'images', -1, value=7),
        r"data.json, image \?: no entry 'id'",
    ),
    'no images': (
        'ann_file',
        lambda t: change(t, 'images', remove=True),
        r"data.json: no entry 'images'",
    ),
}


@pytest.mark.parametrize('defect', DEFECTS)
def test_a_defect_is_told_when_the_data_set_is_built(
    defect, tmp_path, regular_root, build
):
    argument, spoil, sentence = DEFECTS[defect]
    name = f'InterHand2.6M_train_{NAMES[argument]}.json'
    table = json.loads((regular_root / 'annotations' / 'train' / name).read_text())
    spoil(table)
    path = tmp_path / name
    path.write_text(json.dumps(table))
    with pytest.raises(ValueError, match=sentence) as found:
        build(regular_root, **{argument: str(path)})
    assert str(path) in str(found.value) and '\n' not in str(found.value)


@pytest.mark.parametrize('argument', NAMES)
def test_an_absent_file_is_named(argument, regular_root, build):
    with pytest.raises(
        ValueError, match='nowhere.json: no such annotation file; check'
    ):
        build(regular_root, **{argument: 'annotations/nowhere.json'})


@pytest.mark.parametrize('argument', NAMES)
def test_a_truncated_file_is_named(argument, tmp_path, regular_root, build):
    name = f'InterHand2.6M_train_{NAMES[argument]}.json'
    text = (regular_root / 'annotations' / 'train' / name).read_text()
    path = tmp_path / name
    path.write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match=f'{name}: not valid JSON .* truncated') as e:
        build(regular_root, **{argument: str(path)})
    assert '\n' not in str(e.value)
