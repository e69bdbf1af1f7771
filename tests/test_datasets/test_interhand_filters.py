"""Which images of InterHand2.6M are used, and RootNet's boxes in place of theirs."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from mmpose.registry import DATASETS

from mmhand_dne.datasets.readers.interhand_filters import fingerprint, fit_errors
from tests.test_datasets.test_interhand_index import files_of, make_index

ROOT = Path(__file__).resolve().parents[2]
IDS = [5007 + 2 * index for index in range(6)]


def ids_of(dataset):
    return [dataset.get_data_info(row)['id'] for row in range(len(dataset))]


@pytest.fixture
def human_ids(tmp_path):
    """As InterWild's list: one number a line, unsorted, some of other files."""
    path = tmp_path / 'aid_human_annot_train.txt'
    path.write_text('\n'.join(map(str, [IDS[4], 99, IDS[0], IDS[1]])) + '\n')
    return str(path)


@pytest.mark.parametrize(
    'subset, rows', [('H', [0, 1, 4]), ('M', [2, 3, 5]), ('H+M', range(6))]
)
def test_a_subset_is_by_annotation_number(regular_root, build, human_ids, subset, rows):
    dataset = build(regular_root, subset=subset, human_ids=human_ids)
    assert ids_of(dataset) == [IDS[row] for row in rows]


def test_a_step_is_of_all_annotations_whatever_the_subset(
    regular_root, build, human_ids
):
    dataset = build(regular_root, subset='H', human_ids=human_ids, subset_step=2)
    assert ids_of(dataset) == [IDS[0], IDS[4]]


@pytest.mark.parametrize(
    'text, words',
    [
        (None, 'needs human_ids, but .* is no file; take aid_human_annot'),
        ('17\n18\n', 'none of its 2 numbers is an annotation of this split'),
        ('17 x', "invalid literal .*'x', expected a whole number"),
    ],
)
def test_a_wrong_list_is_one_sentence(regular_root, build, tmp_path, text, words):
    path = tmp_path / 'ids.txt'
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=words) as error:
        build(regular_root, subset='H', human_ids=str(path))
    assert '\n' not in str(error.value)


def test_an_unknown_subset_is_refused(regular_root, build):
    with pytest.raises(ValueError, match="subset is 'A', expected one of"):
        build(regular_root, subset='A')


@pytest.mark.parametrize('kind', ['right', 'left', 'interacting'])
def test_a_hand_type_is_one_option(regular_root, build, kind):
    first = ['right', 'left', 'interacting'].index(kind)  # they take turns
    dataset = build(regular_root, hand_type=kind)
    assert ids_of(dataset) == [IDS[first], IDS[first + 3]]


def test_an_unknown_hand_type_is_refused(regular_root, build):
    with pytest.raises(ValueError, match="hand_type is 'both', expected one of"):
        build(regular_root, hand_type='both')


@pytest.mark.parametrize('indices', [0.5, [0.1, 0.2]])
def test_a_share_as_indices_is_refused(regular_root, build, indices):
    with pytest.raises(ValueError, match='no whole number; give how many'):
        build(regular_root, indices=indices)


def test_classes_that_are_asked_for_are_none(regular_root, build):
    wrapper = dict(type='ClassBalancedDataset', oversample_thr=0.5)
    with pytest.raises(ValueError, match='no classes for ClassBalancedDataset'):
        DATASETS.build(dict(wrapper, dataset=build(regular_root)))


@pytest.fixture
def shifted(regular_root, tmp_path):
    """Joints of frame 3's right hand 40 mm beside its mesh."""
    table = json.loads(files_of(regular_root).joints.read_text())
    entry = table['0'][str(1000 + 6 * 3)]
    world = np.array(entry['world_coord'])
    world[:21] += (0, 40, 0)
    entry['world_coord'] = world.tolist()
    path = tmp_path / 'joint_3d.json'
    path.write_text(json.dumps(table))
    return dict(joint_file=str(path))


def test_fit_errors_are_millimetres_of_known_hands(regular_root, build, shifted):
    dataset = build(regular_root, **shifted)
    errors = fit_errors(dataset.table, dataset.pair)
    frames = dataset.table.columns['frame']
    for row in range(6):
        info = dataset.get_data_info(row)
        found = errors[frames[row]]
        np.testing.assert_array_equal(np.isnan(found), ~info['mano_valid'])
        expected = 40.0 if row == 3 else 0.0
        np.testing.assert_allclose(found[info['mano_valid']], expected, atol=0.1)


@pytest.mark.parametrize('most, kept', [(39, 5), (41, 6), (None, 6)])
def test_images_of_bad_fits_are_left_out(regular_root, build, shifted, most, kept):
    dataset = build(regular_root, max_fit_error=most, **shifted)
    assert len(dataset) == kept
    if kept == 5:
        assert IDS[3] not in ids_of(dataset)


def test_fit_errors_of_the_index_are_used_for_their_hand_alone(
    regular_root, tmp_path, build
):
    root = shutil.copytree(regular_root, tmp_path / 'set')
    files, hand = files_of(root), fingerprint(build(regular_root).pair)
    frames = len(build(root).table.columns['frame_joints'])
    made_up = np.full((frames, 2), np.nan, np.float32)
    made_up[2] = 99
    for known, kept in ((hand, 5), ('another', 6)):
        make_index(files, meta=dict(fit_hand=known), frame_fit_error=made_up)
        assert len(build(root, max_fit_error=10)) == kept


def test_dark_images_are_left_out(regular_root, tmp_path, build):
    root = shutil.copytree(regular_root, tmp_path / 'set')
    greys = np.float32([50, 9.9, 10, np.nan, 0, 200])  # NaN: it could not be read
    make_index(files_of(root), mean_grey=greys)
    assert ids_of(build(root, min_grey=10)) == [IDS[0], IDS[2], IDS[5]]
    assert len(build(root)) == 6


def test_grey_values_need_an_index(regular_root, build):
    with pytest.raises(ValueError, match='min_grey=10 needs .*py --images decode'):
        build(regular_root, min_grey=10)


def test_intaghands_frames_are_all_single_hands_and_its_interacting_ones(
    odd_root, tmp_path, build
):
    """Against the definition, read from the JSON files."""
    root = shutil.copytree(odd_root, tmp_path / 'set')
    files = files_of(root)
    data = json.loads(files.data.read_text())
    mano = json.loads(files.mano.read_text())['0']
    greys = np.where(np.arange(21) % 9 == 8, 9.9, 10).astype(np.float32)  # 8 and 17
    make_index(files, mean_grey=greys)
    images = {image['id']: image for image in data['images']}
    kept, left_out = [], {}
    for grey, entry in zip(greys, data['annotations']):
        hands = mano.get(str(images[entry['image_id']]['frame_idx'])) or {}
        both = all(hands.get(side) for side in ('right', 'left'))
        reasons = [grey < 10, not both, not entry.get('hand_type_valid', 1)]
        if entry['hand_type'] != 'interacting' or not any(reasons):
            kept.append(entry['id'])
        else:
            left_out[tuple(map(bool, reasons))] = entry['id']
    assert len(left_out) >= 3  # each reason alone somewhere, or this shows nothing
    found = build(root, intaghand_frames=True)
    assert ids_of(found) == kept
    assert len(build(root)) == 21


def test_intaghands_frames_need_grey_values_and_mano(regular_root, build):
    with pytest.raises(ValueError, match='intaghand_frames=True needs .*images decode'):
        build(regular_root, intaghand_frames=True)
    with pytest.raises(ValueError, match='but mano_file is None; give it'):
        build(regular_root, intaghand_frames=True, mano_file=None)


def test_the_best_checkpoint_is_not_chosen_on_the_test_split():
    """InterHand2.6M has a validation split, which the paper's recipe looks at."""
    for name in ('dne_interhand', 'hamer/hamer_vit-h_8xb32-9e_interhand26m-256x256'):
        cfg = Config.fromfile(ROOT / f'configs/{name}.py')
        for phase, split in (('val', 'val'), ('test', 'test'), ('train', 'train')):
            dataset = cfg[f'{phase}_dataloader'].dataset
            dataset = dataset.get('dataset', dataset)
            names = [
                dataset.data_prefix.img,
                *(
                    dataset[f'{kind}_file']
                    for kind in ('ann', 'camera', 'joint', 'mano')
                ),
            ]
            assert all(split in text for text in names), names
            others = {'train', 'val', 'test'} - {split}
            assert not any(other in text for text in names for other in others)


def test_a_config_tests_on_the_images_of_the_papers_tables():
    name = 'dne/dne-mlp_res50_4xb30-30e_interhand26m-256x256_intaghand-frames.py'
    cfg = Config.fromfile(ROOT / 'configs' / name)
    assert cfg.test_dataloader.dataset.intaghand_frames
    assert 'intaghand_frames' not in cfg.val_dataloader.dataset


def rootnet(path, ids):
    """A result file of RootNet, in another order, with a stranger."""
    path.write_text(
        json.dumps(
            [
                dict(
                    annot_id=number,
                    bbox=[number % 50, 2.5, 100, 100],
                    abs_depth=[900.5 + number, 800],
                    root_valid=[1, 1],
                )
                for number in [*ids[::-1], 17]
            ]
        )
    )
    return str(path)


def test_rootnets_boxes_and_depths_take_the_places_of_the_true_ones(
    regular_root, tmp_path, build
):
    path = rootnet(tmp_path / 'bbox_root_train.json', IDS)
    dataset, plain = build(regular_root, rootnet_file=path), build(regular_root)
    for row, number in enumerate(IDS):
        info, true = dataset.get_data_info(row), plain.get_data_info(row)
        np.testing.assert_array_equal(
            info['bbox'], [[number % 50, 2.5, number % 50 + 100, 102.5]]
        )
        np.testing.assert_array_equal(info['abs_depth'], [900.5 + number, 800])
        for key in ('joints_cam', 'keypoints_cam', 'mesh_root'):
            np.testing.assert_array_equal(info[key], true[key])


def test_an_image_without_rootnets_box_is_named(regular_root, tmp_path, build):
    path = rootnet(tmp_path / 'bbox_root_train.json', IDS[:4])
    with pytest.raises(
        ValueError, match=f'no box of annotation {IDS[4]} and of 1 others; use'
    ):
        build(regular_root, rootnet_file=path)
    assert len(build(regular_root, rootnet_file=path, subset_step=3)) == 2


@pytest.mark.parametrize(
    'change, words',
    [
        (lambda entry: entry.pop('abs_depth'), "annotation 5007: no entry 'abs_depth'"),
        (lambda entry: entry.update(bbox=[1, 2, 3]), r'bbox of 5007 has shape \(3,\)'),
        (lambda entry: entry.update(abs_depth=[1, float('nan')]), 'of 5007 holds a'),
    ],
)
def test_a_wrong_rootnet_file_is_one_sentence(
    regular_root, tmp_path, build, change, words
):
    path = tmp_path / 'bbox_root_train.json'
    rootnet(path, IDS)
    table = json.loads(path.read_text())
    change(table[-2])
    path.write_text(json.dumps(table))
    with pytest.raises(ValueError, match=words) as error:
        build(regular_root, rootnet_file=str(path))
    assert '\n' not in str(error.value)
