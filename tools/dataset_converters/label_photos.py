"""Read the landmarks of the one hand in each photo of a folder, as pseudo-labels.

    python tools/dataset_converters/label_photos.py data/real/photos \
        data/real/mediapipe_hands.pth data/real/photo_landmarks.json

For photos that show one hand which fills them, such as those of Sign-Language-Digits
(Apache-2.0). LandmarkedPhotoDataset trains on the result. The weights are those that
tools/model_converters/convert_mediapipe.py writes. Every photo gets an entry: the mean
of what the network reads when the hand is turned a little and mirrored, how far apart
these readings are, and how sure it was.
"""

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.errors import UserError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The folder, the weights and the file to write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('folder', type=Path, help='of photos, also in folders in it')
    parser.add_argument('weights', help='of convert_mediapipe.py')
    parser.add_argument('out', type=Path, help='JSON file to write')
    parser.add_argument(
        '--angles', type=int, default=8, help='rotations tried of each photo (8)'
    )
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import numpy as np

from mmhand_dne.apis.shipped_model import LANDMARKER, load_part, read_parts
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.fileio.atomic import write_whole
from mmhand_dne.fileio.images import read_image
from mmhand_dne.fileio.progress import Progress
from mmhand_dne.geometry.camera import mirror_pixels
from mmhand_dne.geometry.hand_rois import (
    BOX_SCALE,
    HandRoi,
    mirror_roi,
    roi_of_landmarks,
)
from mmhand_dne.models.detectors import HandLandmarker
from mmhand_dne.structures.hand_landmarks import LandmarkedHand

ENDINGS = ('.jpg', '.jpeg', '.png')
DIGITS = 2  # of a pixel
TURNS = np.deg2rad([-20.0, 0.0, 20.0])


def main(argv: list[str] | None = None) -> None:
    """Label every photo, then write the file."""
    args = parse_args(argv)
    with plain_errors():
        photos = sorted(
            path for path in args.folder.rglob('*') if path.suffix.lower() in ENDINGS
        )
        if not photos:
            raise UserError(
                f'{args.folder}: holds no photo ({", ".join(ENDINGS)}); check the path'
            )
        landmarker = load_landmarker(args.weights)
        hands = []
        with Progress(len(photos), 'reading landmarks') as bar:
            for path in photos:
                hands.append(label(landmarker, args.folder, path, args.angles))
                bar.update()
        write_whole(args.out, json.dumps(dict(hands=hands)).encode())
    sure = sum(hand['presence'] > 0.9 for hand in hands)
    print(f'{len(hands)} photos, in {sure} a hand with presence above 0.9: {args.out}')


def load_landmarker(weights: str) -> HandLandmarker:
    """The landmark network with converted weights."""
    state = read_parts(weights, (LANDMARKER,))[LANDMARKER]
    return load_part(HandLandmarker(), state, weights)


def label(landmarker: HandLandmarker, root: Path, path: Path, angles: int) -> dict:
    """The entry of one photo."""
    image = np.ascontiguousarray(read_image(path)[..., ::-1])
    height, width = image.shape[:2]
    middle, half = np.array([width, height]) / 2 - 0.5, max(width, height) / 2
    reach = half / BOX_SCALE  # the first square is the whole photo
    corners = np.concatenate([middle - reach, middle + reach])
    hand = landmarker.in_box(image, corners, angles=angles)
    read = several_readings(landmarker, image, roi_of_landmarks(hand.points))
    points = np.stack([other.points for other in read])
    mean = points.mean(0)
    apart = np.sqrt(np.square(points - mean).sum(-1).mean(0))
    extent = (mean.max(0) - mean.min(0)).max()
    return dict(
        file=path.relative_to(root).as_posix(),
        size=[width, height],
        side=hand.side,
        presence=round(min(other.presence for other in read), 4),
        points=np.round(mean, DIGITS).tolist(),
        spread=np.round(apart / extent, 4).tolist(),
    )


def several_readings(
    landmarker: HandLandmarker, image: np.ndarray, square: HandRoi
) -> list[LandmarkedHand]:
    """The hand in a square, turned a little either way and mirrored, in image pixels.

    Args:
        image: (H, W, 3) uint8 RGB.
    """
    width = image.shape[1]
    mirrored = np.ascontiguousarray(image[:, ::-1])
    turned = [square._replace(angle=square.angle + turn) for turn in TURNS]
    read = landmarker.read([(image, roi) for roi in turned])
    for hand in landmarker.read([(mirrored, mirror_roi(roi, width)) for roi in turned]):
        points = hand.points.copy()
        points[:, 0] = mirror_pixels(points[:, 0], width)
        read.append(hand._replace(points=points, right=1 - hand.right))
    return read


if __name__ == '__main__':
    main()
