"""pycocotools under xtcocotools' name: against xtcocotools itself, and by hand."""

import json
import subprocess
import sys

import numpy as np
import pytest

from mmhand_dne.compat.coco_names import coco_names, loading_problem
from mmhand_dne.compat.coco_tools import COCO, COCOeval
from mmhand_dne.errors import UserError

SIGMAS = np.array([0.05, 0.02, 0.04, 0.09, 0.03])


@pytest.fixture(scope='module')
def people():
    """Annotations and predictions of 12 images, with every oddity that MMPose's have:
    a number 0, crowds, nobody in view, no ``num_keypoints``, predictions of nothing."""
    rng = np.random.default_rng(3)
    annotations, predictions = [], []
    for image in range(12):
        for _ in range(rng.integers(1, 4)):
            points = np.c_[rng.uniform(0, 200, (5, 2)), rng.integers(0, 3, 5)]
            if rng.random() < 0.15:
                points[:, 2] = 0
            low, high = points[:, :2].min(0), points[:, :2].max(0)
            annotations.append(
                dict(
                    id=len(annotations),
                    image_id=image,
                    category_id=1,
                    bbox=[*low, *(high - low)],
                    area=float(rng.uniform(0.3, 0.9) * np.prod(high - low)),
                    keypoints=points.ravel().tolist(),
                    iscrowd=int(rng.random() < 0.1),
                )
            )
            for spread in (3, 20):
                found = points + rng.normal(0, spread, points.shape)
                found[:, 2] = rng.uniform(0.1, 1, 5) * (rng.random() < 0.9)
                score = float(rng.random())
                predictions.append(
                    dict(
                        image_id=image,
                        category_id=1,
                        keypoints=found.ravel().tolist(),
                        score=score,
                    )
                )
    images = [dict(id=image) for image in range(12)]
    categories = [dict(id=1, name='hand')]
    return dict(
        images=images, annotations=annotations, categories=categories
    ), predictions


def evaluate(coco_class, eval_class, folder, people, use_area):
    """The ten numbers that MMPose's CocoMetric reports."""
    annotations, predictions = people
    files = folder / 'gt.json', folder / 'dt.json'
    for path, content in zip(files, (annotations, predictions)):
        path.write_text(json.dumps(content))
    index = coco_class(str(files[0]))
    run = eval_class(index, index.loadRes(str(files[1])), 'keypoints', SIGMAS, use_area)
    run.params.useSegm = None
    run.evaluate()
    run.accumulate()
    run.summarize()
    return run.stats


@pytest.mark.parametrize('use_area', [True, False])
def test_the_numbers_are_those_of_xtcocotools(people, tmp_path, use_area):
    problem = loading_problem('xtcocotools')
    if problem:
        pytest.skip(f'xtcocotools does not load here: {problem}')
    from xtcocotools.coco import COCO as XtCOCO
    from xtcocotools.cocoeval import COCOeval as XtCOCOeval

    wanted = evaluate(XtCOCO, XtCOCOeval, tmp_path, people, use_area)
    found = evaluate(COCO, COCOeval, tmp_path, people, use_area)
    assert 0.05 < wanted[0] < 0.95 and len(set(np.round(wanted, 6))) > 4
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def one_person(shift, sigma, use_area, area=None, number=0):
    """OKS of one person whose five key points are ``shift`` pixels off."""
    points = np.c_[np.arange(5) * 30.0, np.arange(5) * 10.0, np.full(5, 2)]
    person = dict(
        id=number,
        image_id=7,
        category_id=1,
        bbox=[0, 0, 120, 40],
        keypoints=points.ravel().tolist(),
    )
    if area is not None:
        person['area'] = area
    index = COCO()
    index.dataset = dict(
        images=[dict(id=7)],
        annotations=[person],
        categories=[dict(id=1, name='hand')],
    )
    index.createIndex()
    found = (points + [shift, 0, -1]).ravel().tolist()
    result = dict(image_id=7, category_id=1, keypoints=found, score=0.5)
    run = COCOeval(
        index, index.loadRes([result]), 'keypoints', np.full(5, sigma), use_area
    )
    run.evaluate()
    return run


@pytest.mark.parametrize('number', [0, 1, 5])
@pytest.mark.parametrize(
    ('use_area', 'area', 'used'),
    [(True, 3000.0, 3000.0), (False, 3000.0, 2544.0), (False, None, 2544.0)],
)
def test_similarity_by_hand(number, use_area, area, used):
    # OKS = exp(-d^2 / (2 area (2 sigma)^2)); without areas 0.53 of the box of 120 x 40.
    run = one_person(5.0, 0.05, use_area, area, number)
    wanted = np.exp(-25 / (2 * used * (2 * 0.05) ** 2))
    assert run.ious[7, 1][0, 0] == pytest.approx(wanted, abs=1e-12)
    run.accumulate()
    run.summarize()
    passed = np.mean(np.linspace(0.5, 0.95, 10) < wanted)
    assert run.stats[0] == pytest.approx(passed) and 0 < passed < 1


def test_an_annotation_without_area_is_named():
    with pytest.raises(UserError, match=r"annotation 4 of image 7 has no 'area'.*use"):
        one_person(1.0, 0.05, True, number=4)


def test_no_prediction_at_all_is_a_result():
    index = COCO()
    index.dataset = dict(images=[dict(id=1)], annotations=[], categories=[dict(id=1)])
    index.createIndex()
    assert index.loadRes([]).getAnnIds() == []


@pytest.mark.parametrize(
    'kind', ['keypoints_crowd', 'keypoints_wholebody', 'keypoints_body']
)
def test_what_is_not_there_is_said_in_one_sentence(kind):
    with pytest.raises(UserError, match=f"'{kind}'.*needs xtcocotools.*pip install"):
        COCOeval(COCO(), COCO(), kind, SIGMAS)


BROKEN = """
import sys
sys.stderr.write('A module that was compiled using NumPy 1.x cannot be run in NumPy 2')
raise ImportError('numpy.core.multiarray failed to import')
"""
SCRIPT = """
import sys, mmhand_dne
from mmpose.evaluation.metrics.coco_metric import COCOeval
from mmpose.datasets.transforms.bottomup_transforms import cocomask
print(COCOeval.__module__, cocomask.__name__, [n for n in sys.modules if 'xtcoco' in n])
"""


def test_mmpose_imports_on_pycocotools_where_xtcocotools_does_not_load(tmp_path):
    (tmp_path / 'xtcocotools').mkdir()
    (tmp_path / 'xtcocotools' / '__init__.py').touch()
    (tmp_path / 'xtcocotools' / 'mask.py').write_text(BROKEN)
    code = f'import sys; sys.path.insert(0, {str(tmp_path)!r})\n{SCRIPT}'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        'mmhand_dne.compat.coco_tools',
        'pycocotools.mask',
        '[]',
    ]
    assert 'compiled using' not in done.stderr


def test_the_real_package_is_never_replaced(tmp_path, monkeypatch):
    (tmp_path / 'xtcocotools').mkdir()
    (tmp_path / 'xtcocotools' / '__init__.py').touch()
    (tmp_path / 'xtcocotools' / 'mask.py').write_text('real = True')
    for name in [n for n in sys.modules if n.partition('.')[0] == 'xtcocotools']:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with coco_names() as problem:
        from xtcocotools import mask

        assert problem is None and mask.real
    for name in ('xtcocotools', 'xtcocotools.mask'):
        monkeypatch.delitem(sys.modules, name)
