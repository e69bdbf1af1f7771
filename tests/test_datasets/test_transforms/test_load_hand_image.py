"""A missing or damaged image is one sentence, never a substitute."""

import cv2
import numpy as np
import pytest

from mmhand_dne.datasets.transforms import LoadHandImage


@pytest.fixture
def path(tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (40, 60, 3), dtype=np.uint8)
    path = tmp_path / 'image7.jpg'
    assert cv2.imwrite(str(path), picture)
    return path


def load(path, **annotation):
    return LoadHandImage().transform(dict(img_path=str(path), **annotation))


def test_an_image_is_read_as_bgr_bytes(path):
    results = load(path, width=60, height=40)
    np.testing.assert_array_equal(results['img'], cv2.imread(str(path)))
    assert results['ori_shape'] == results['img_shape'] == (40, 60)


def test_a_missing_image_is_named(tmp_path):
    with pytest.raises(ValueError, match=r'no.jpg: the image cannot be read .* check'):
        load(tmp_path / 'no.jpg')


@pytest.mark.parametrize('content', [b'', b'\xff\xd8 not a picture', b'<html></html>'])
def test_a_damaged_image_is_named(path, content):
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r'image7.jpg: not a readable image .* damaged'
    ):
        load(path)


@pytest.mark.parametrize('fills', [False, True])
def test_a_truncated_image_is_not_filled_with_grey(path, monkeypatch, fills):
    if fills:  # as older versions of OpenCV do
        grey = np.full((40, 60, 3), 128, np.uint8)
        monkeypatch.setattr(cv2, 'imdecode', lambda *_: grey)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(ValueError, match=r'image7.jpg: not a readable image'):
        load(path)


def test_an_image_of_another_size_is_named(path):
    with pytest.raises(
        ValueError, match=r'image is 60x40 pixels, .* says 512x334; use'
    ):
        load(path, width=512, height=334)


@pytest.mark.parametrize('test_mode', [False, True])
def test_the_data_set_passes_the_error_on(regular_root, build, augmented, test_mode):
    dataset = build(
        regular_root, augmented, data_prefix=dict(img='nowhere'), test_mode=test_mode
    )
    with pytest.raises(ValueError, match='nowhere.*jpg: the image cannot be read'):
        dataset[0]
