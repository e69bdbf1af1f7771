"""Videos on disk, whole and damaged."""

import struct

import cv2
import numpy as np


def write_video(path, images, fps, codec='MJPG'):
    """A video of images (H, W, 3) uint8 BGR; its path."""
    height, width = images[0].shape[:2]
    writer = cv2.VideoWriter(
        str(path), cv2.VideoWriter_fourcc(*codec), fps, (width, height)
    )
    for image in images:
        writer.write(np.ascontiguousarray(image))
    writer.release()
    return path


def tag_rotation(path, degrees):
    """Ask for a clockwise rotation in an MP4 file, as phones do: its track's matrix."""
    content = bytearray(path.read_bytes())
    identity = struct.pack('>9i', 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    start = content.index(identity, content.index(b'tkhd'))
    cos, sin = {0: (1, 0), 90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    numbers = (cos << 16, sin << 16, 0, -sin << 16, cos << 16, 0, 0, 0, 1 << 30)
    content[start : start + len(identity)] = struct.pack('>9i', *numbers)
    path.write_bytes(content)


def grey_images(count, size=(64, 48)):
    """Images of ``size`` (W, H) whose brightness is 20 times their number."""
    return [np.full((size[1], size[0], 3), 20 * i, np.uint8) for i in range(count)]


class ThreeFrames:
    """A camera in place of ``cv2.VideoCapture``: three frames, then the end."""

    left, image = 3, np.zeros((8, 8, 3), np.uint8)

    def __init__(self, device):
        self.device = device

    def isOpened(self):
        return True

    def get(self, _):
        return 0.0

    def release(self):
        pass

    def read(self):
        self.left -= 1
        return self.left >= 0, self.image


def damage(path, numbers):
    """Overwrite the images of some frames of an MJPG video."""
    content = bytearray(path.read_bytes())
    starts = [i for i in range(len(content)) if content[i : i + 3] == b'\xff\xd8\xff']
    for number in numbers:
        end = starts[number + 1] if number + 1 < len(starts) else len(content)
        content[starts[number] : end - 16] = bytes(end - 16 - starts[number])
    path.write_bytes(content)
