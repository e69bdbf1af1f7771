"""Every kind of image as a person sees it, and one sentence for what is none."""

import io
import re

import cv2
import numpy as np
import pytest
from PIL import Image

from mmhand_dne.datasets.transforms import LoadHandImage
from mmhand_dne.fileio.images import (
    check_array,
    from_pillow,
    oriented,
    read_image,
)
from tests.tiny_inferencers import noise_image

PLAIN = noise_image(40, 24)  # BGR
ORIENTATION = 0x0112


def save(path, pixels, **options):
    """RGB pixels through Pillow."""
    Image.fromarray(pixels).save(path, **options)
    return path


def exif(orientation):
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    return tags.tobytes()


def test_a_plain_file_gives_the_pixels_that_the_data_sets_read(tmp_path):
    path = tmp_path / 'a.jpg'
    cv2.imwrite(str(path), PLAIN)
    loaded = LoadHandImage().transform(dict(img_path=str(path)))['img']
    assert (read_image(path) == loaded).all()


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('ending', ['png', 'jpg', 'webp'])
def test_the_orientation_is_applied_as_pillow_defines_it(tmp_path, orientation, ending):
    from PIL import ImageOps

    options = dict(lossless=True) if ending == 'webp' else {}
    path = tmp_path / f'a.{ending}'
    save(path, PLAIN[..., ::-1], exif=exif(orientation), **options)
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(path)).convert('RGB'))
    found = read_image(path)[..., ::-1].astype(int)
    assert found.shape == wanted.shape
    # Two JPEG decoders may round differently.
    assert np.abs(found - wanted).max() <= (4 if ending == 'jpg' else 0)


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('mode', ['RGB', 'L', 'RGBA', 'CMYK', 'P', 'I;16'])
def test_a_tiff_is_turned_once(tmp_path, orientation, mode):
    """Its decoders turn it by themselves."""
    upright = Image.fromarray(PLAIN[..., ::-1])
    stored = Image.fromarray(stored_as(PLAIN[..., ::-1], orientation))
    if mode == 'I;16':
        upright, stored = (
            Image.fromarray(np.asarray(one.convert('L')).astype(np.uint16) * 256)
            for one in (upright, stored)
        )
    elif mode != 'RGB':
        upright, stored = upright.convert(mode), stored.convert(mode)
    tags = Image.Exif()
    tags[ORIENTATION] = orientation
    upright.save(tmp_path / 'upright.tiff')
    stored.save(tmp_path / 'stored.tiff', exif=tags)
    wanted = read_image(tmp_path / 'upright.tiff').astype(int)
    assert wanted.shape == PLAIN.shape
    found = read_image(tmp_path / 'stored.tiff')
    content = (tmp_path / 'stored.tiff').read_bytes()
    lazily = from_pillow(Image.open(io.BytesIO(content)))
    for image in (found, lazily):
        assert image.shape == wanted.shape
        # A palette is chosen anew for each.
        assert np.abs(image - wanted).mean() < (12 if mode == 'P' else 1)


def stored_as(upright, orientation):
    """The pixels that EXIF's orientation turns into the upright ones."""
    candidates = [oriented(upright, one) for one in range(1, 9)]
    return next(
        candidate
        for candidate in candidates
        if np.array_equal(oriented(candidate, orientation), upright)
    )


def test_transparent_pixels_are_white(tmp_path):
    pixels = np.concatenate([PLAIN[..., ::-1], np.full((24, 40, 1), 255, np.uint8)], -1)
    pixels[:10, :10, 3] = 0
    found = read_image(save(tmp_path / 'a.png', pixels))
    assert (found[:10, :10] == 255).all()
    assert (found[10:, 10:] == PLAIN[10:, 10:]).all()
    assert (check_array(pixels[..., [2, 1, 0, 3]]) == found).all()


@pytest.mark.parametrize('shape', [(24, 40), (24, 40, 3)])
def test_16_bit_pixels_keep_their_high_byte(tmp_path, shape):
    values = np.random.default_rng(0).integers(0, 65536, shape, dtype=np.uint16)
    path = tmp_path / 'a.png'
    cv2.imwrite(str(path), values)
    high = (values >> 8).astype(int)
    wanted = high if len(shape) == 3 else np.stack([high] * 3, -1)
    assert np.abs(read_image(path).astype(int) - wanted).max() <= 1
    assert (check_array(values) == wanted).all()


def test_grey_and_palette_images_are_coloured(tmp_path):
    grey = PLAIN[..., 0]
    assert (read_image(save(tmp_path / 'g.png', grey)) == grey[..., None]).all()
    palette = Image.fromarray(PLAIN[..., ::-1]).quantize(16)
    palette.save(tmp_path / 'p.png')
    wanted = np.asarray(palette.convert('RGB'))[..., ::-1]
    assert (read_image(tmp_path / 'p.png') == wanted).all()


def test_cmyk_is_read_as_pillow_reads_it(tmp_path):
    path = tmp_path / 'a.jpg'
    Image.fromarray(PLAIN[..., ::-1]).convert('CMYK').save(path, quality=98)
    found = read_image(path).astype(int)
    assert np.abs(found - PLAIN).mean() < 12  # the colours, not their negative


def test_a_pixel_and_many_pixels(tmp_path):
    cv2.imwrite(str(tmp_path / 'one.png'), PLAIN[:1, :1])
    assert read_image(tmp_path / 'one.png').shape == (1, 1, 3)
    large = np.zeros((6000, 8000), np.uint8)
    cv2.imwrite(str(tmp_path / 'large.png'), large, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    assert read_image(tmp_path / 'large.png').shape == (6000, 8000, 3)


def test_unicode_names(tmp_path):
    path = tmp_path / 'рука 手 ✋.png'
    path.write_bytes(cv2.imencode('.png', PLAIN)[1].tobytes())
    assert (read_image(path) == PLAIN).all()


def test_what_is_no_image_is_one_sentence(tmp_path):
    jpeg = cv2.imencode('.jpg', PLAIN)[1].tobytes()
    png = cv2.imencode('.png', PLAIN)[1].tobytes()
    files = dict(empty=b'', text=b'hello', cut=jpeg[: len(jpeg) // 2], broken=png[:40])
    sentences = dict(
        empty='the file is empty (0 bytes)',
        cut='the file is cut off',
        text='is not an image',
        broken='is not an image',
    )
    for name, content in files.items():
        path = tmp_path / f'{name}.jpg'
        path.write_bytes(content)
        with pytest.raises(ValueError, match=re.escape(sentences[name])) as error:
            read_image(path)
        assert str(path) in str(error.value)
    with pytest.raises(ValueError, match='cannot be read \\(No such file'):
        read_image(tmp_path / 'nowhere.jpg')


@pytest.mark.parametrize(
    ('array', 'sentence'),
    [
        (np.zeros((4, 4, 2), np.uint8), 'has shape'),
        (np.zeros((0, 4, 3), np.uint8), 'at least one pixel'),
        (np.zeros((4, 4, 3)), 'is float64, expected uint8'),
    ],
)
def test_other_arrays_are_refused(array, sentence):
    with pytest.raises(ValueError, match=sentence):
        check_array(array)


def test_other_formats(tmp_path):
    for ending, options in (('webp', dict(lossless=True)), ('bmp', {}), ('gif', {})):
        path = save(tmp_path / f'a.{ending}', PLAIN[..., ::-1], **options)
        wanted = np.asarray(Image.open(path).convert('RGB'))[..., ::-1]
        assert (read_image(path) == wanted).all()
