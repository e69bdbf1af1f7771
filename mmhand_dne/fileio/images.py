"""From a file or an array to pixels, as they are stored or as a person sees them."""

import io
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from mmhand_dne.errors import UserError

from .atomic import write_whole

# Whatever orientation a tag asks for.
AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
JPEG_START, JPEG_END = b'\xff\xd8', b'\xff\xd9'
ORIENTATION = 0x0112  # EXIF tag
TURNED_BY_DECODERS = ('TIFF',)  # which OpenCV and Pillow turn whatever they are told
WHITE = 255  # what shows through transparent pixels [decided]
WITH_ALPHA = ('RGBA', 'LA', 'PA', 'La', 'RGBa')
NOT_RGB = ('CMYK', 'YCbCr', 'LAB', 'HSV')
HIGH_BYTE = 8  # of 16-bit pixels, as OpenCV takes it


HEIC_BRANDS = (b'heic', b'heix', b'heim', b'heis', b'mif1', b'msf1')
UNKNOWN_TO_PILLOW = (
    UnidentifiedImageError,
    OSError,
    SyntaxError,
    ValueError,
    Image.DecompressionBombError,
)


class Header(NamedTuple):
    """What Pillow knows of a file before it decodes it."""

    mode: str
    transparent: bool
    orientation: int


def read_image(path: str | Path) -> np.ndarray:
    """Decode an image file.

    The orientation that EXIF asks for is applied; transparent pixels become white;
    16-bit, grey, palette and CMYK images become 8-bit colour. An 8-bit colour or grey
    file gives the very pixels that the data sets' loader gives.

    Returns: (H, W, 3) uint8 BGR.
    Raises:
        ValueError: the file is missing, empty, cut off or no image; says which.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UserError(f'{path}: cannot be read ({error.strerror})') from error
    if not content:
        raise UserError(f'{path}: the file is empty (0 bytes)')
    if is_cut_off(content):
        raise UserError(
            f'{path}: the file is cut off ({len(content)} bytes); copy it again'
        )
    image = decode(content)
    if image is None:
        heic = content[4:8] == b'ftyp' and content[8:12] in HEIC_BRANDS
        cure = ' (HEIC, as phones write it); convert it to JPEG' if heic else ''
        if content.startswith(JPEG_START):  # its thumbnail may have an end of its own
            cure = ' (a JPEG file that is damaged or cut off); copy it again'
        raise UserError(
            f'{path}: is not an image that OpenCV or Pillow can decode{cure}'
        )
    return image


def count_frames(path: str | Path) -> int:
    """Of an image file that may move or have pages; 1 of what Pillow does not know."""
    try:
        with Image.open(path) as opened:
            return getattr(opened, 'n_frames', 1)
    except UNKNOWN_TO_PILLOW:
        return 1


def is_cut_off(content: bytes) -> bool:
    """Whether a JPEG file has no end: OpenCV may fill what is missing with grey."""
    # From behind: the end is there, mostly.
    return content.startswith(JPEG_START) and content.rfind(JPEG_END) < 0


def decode_as_stored(content: bytes) -> np.ndarray | None:
    """(H, W, 3) uint8 BGR of a file's bytes, not rotated; None if OpenCV cannot."""
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), AS_STORED)
    except cv2.error:  # nothing at all, or more pixels than it allows
        return None


def decode(content: bytes) -> np.ndarray | None:
    """(H, W, 3) uint8 BGR of a file's bytes, upright; None if they are no image."""
    header = read_header(content)
    if header is None or not (header.transparent or header.mode in NOT_RGB):
        image = decode_as_stored(content)
        if image is not None:
            return oriented(image, header.orientation if header else 1)
    return _decode_with_pillow(content) if header else None


def read_header(content: bytes) -> Header | None:
    """Mode, and the orientation that decoding leaves to be applied, without decoding;
    None for what Pillow does not know.
    """
    try:
        with Image.open(io.BytesIO(content)) as opened:
            transparent = opened.mode in WITH_ALPHA or 'transparency' in opened.info
            turned = opened.format in TURNED_BY_DECODERS
            orientation = 1 if turned else opened.getexif().get(ORIENTATION, 1)
            return Header(opened.mode, transparent, orientation)
    except UNKNOWN_TO_PILLOW:
        return None


def _decode_with_pillow(content: bytes) -> np.ndarray | None:
    try:
        with Image.open(io.BytesIO(content)) as opened:
            return _upright_of_pillow(opened)
    except (OSError, SyntaxError, ValueError):
        return None


def _upright_of_pillow(image: Image.Image, name: str = '') -> np.ndarray:
    """(H, W, 3) uint8 BGR, turned as EXIF asks for."""
    if image.mode.startswith('I;16'):
        pixels = check_array(np.asarray(image).astype(np.uint16), name)
    else:
        pixels = _bgr_of_pillow(image)
    # Read after decoding: a decoder that turns the image itself (TIFF) drops the tag.
    return oriented(pixels, image.getexif().get(ORIENTATION, 1))


def _bgr_of_pillow(image: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 BGR as stored, transparent pixels white."""
    if image.mode in WITH_ALPHA or 'transparency' in image.info:
        image = image.convert('RGBA')
        background = Image.new('RGBA', image.size, (WHITE,) * 4)
        image = Image.alpha_composite(background, image)
    return np.ascontiguousarray(np.asarray(image.convert('RGB'))[..., ::-1])


def oriented(image: np.ndarray, orientation: int) -> np.ndarray:
    """The image upright: EXIF's orientation 1 to 8 applied; others are ignored."""
    if orientation in (5, 6, 7, 8):
        image = image.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        image = image[:, ::-1]
    if orientation in (3, 4, 7, 8):
        image = image[::-1]
    return np.ascontiguousarray(image)


def check_array(image: np.ndarray, name: str = 'the array') -> np.ndarray:
    """An array as :func:`read_image` would give it.

    Args:
        image: (H, W), (H, W, 1), (H, W, 3) BGR or (H, W, 4) BGRA, uint8 or uint16.
    Returns: (H, W, 3) uint8 BGR.
    Raises:
        ValueError: another shape or type, or no pixel.
    """
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.shape[-1] not in (1, 3, 4) or not image.size:
        raise UserError(
            f'{name} has shape {image.shape}, expected (H, W), (H, W, 3) BGR or '
            '(H, W, 4) BGRA with at least one pixel'
        )
    if image.dtype == np.uint16:
        image = (image >> HIGH_BYTE).astype(np.uint8)
    if image.dtype != np.uint8:
        raise UserError(
            f'{name} is {image.dtype}, expected uint8 or uint16; scale it to 0..255 '
            'first'
        )
    if image.shape[-1] == 4:
        alpha = image[..., 3:].astype(np.float32) / 255
        mixed = image[..., :3] * alpha + WHITE * (1 - alpha)
        image = np.rint(mixed).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)))


def from_pillow(image: Image.Image, name: str = 'the image') -> np.ndarray:
    """A Pillow image as :func:`read_image` would give it: upright, white behind.

    Returns: (H, W, 3) uint8 BGR.
    Raises:
        ValueError: its pixels are neither 8-bit nor 16-bit.
    """
    if image.mode in ('I', 'F'):
        raise UserError(
            f'{name} is a Pillow image of mode {image.mode}; convert it to RGB first'
        )
    return _upright_of_pillow(image, name)


def from_tensor(tensor: Tensor, name: str = 'the tensor') -> np.ndarray:
    """A tensor as :func:`read_image` would give it.

    Args:
        tensor: uint8; (1, H, W), (3, H, W) RGB or (4, H, W) RGBA, as torchvision reads
            images, else as the arrays of :func:`check_array`, BGR.
    Returns: (H, W, 3) uint8 BGR.
    Raises:
        ValueError: another shape or type, or no pixel.
    """
    if tensor.dtype != torch.uint8:
        raise UserError(
            f'{name} is {tensor.dtype}, expected torch.uint8 of 0..255; a tensor x of '
            '0..1 becomes (255 * x).round().to(torch.uint8)'
        )
    pixels = tensor.detach().cpu().numpy()
    if pixels.ndim == 3 and len(pixels) in (1, 3, 4):
        order = [2, 1, 0, 3][: len(pixels)] if len(pixels) > 1 else [0]
        pixels = np.moveaxis(pixels[order], 0, -1)
    return check_array(pixels, name)


def write_image(path: str | Path, image: np.ndarray, quality: int = 92) -> Path:
    """Write (H, W, 3) uint8 RGB as .jpg or .png, whole or not at all."""
    bgr = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    options = [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, content = cv2.imencode(Path(path).suffix, bgr, options)
    if not done:
        raise UserError(f'{path}: an image of {image.shape} cannot be encoded')
    return write_whole(path, content.tobytes())
