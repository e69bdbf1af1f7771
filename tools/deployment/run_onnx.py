"""Run an exported model with NumPy and ONNX Runtime alone; this file needs no other.

    python run_onnx.py MODEL.onnx IMAGE --box 40 30 190 180 [--side left] \
        [--K FX FY CX CY] [--out hands.npz]

IMAGE is .npy (H, W, 3) uint8 RGB or binary .ppm; anything else needs Pillow. In code:

    from run_onnx import HandRunner
    hands = HandRunner('model.onnx')(image, boxes=[[40, 30, 190, 180]])
    hands[0].vertices, hands[0].joints_2d, hands[0].translation

Pixel centres are at integers; camera axes are x right, y down, z forward.
"""

import argparse
import json
import sys
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import onnxruntime

KEY, SCHEMA = 'mmhand_dne', 1  # of the description in the file's metadata
MIRROR = np.array([-1.0, 1.0, 1.0])
FOCAL_OF_A_PICTURE = 5000 / 256  # of its longer side, where the camera is not known
ALL_CORES = 0


@dataclass(frozen=True, eq=False)
class Hand:
    """One hand of an image, with the names and units of mmhand_dne's HandResult."""

    side: str  # 'right' or 'left', the true one
    presence: float  # probability that the image shows it
    vertices: np.ndarray  # (V, 3) metres, camera axes, from its own wrist
    joints: np.ndarray  # (21, 3) likewise, in the order of HandRunner.joint_names
    faces: np.ndarray  # (F, 3) wound outward
    rotations: np.ndarray  # (16, 3, 3) absolute, of the regressed hand, MANO order
    betas: np.ndarray  # (10,) its shape
    translation: np.ndarray  # (3,) the wrist, metres from the camera ``intrinsics``
    intrinsics: np.ndarray  # (3, 3) pixels; a convention where ``metric`` is False
    metric: bool  # whether the intrinsics were given
    joints_2d: np.ndarray  # (21, 2) pixels of the image
    vertices_2d: np.ndarray  # (V, 2) likewise
    box: np.ndarray  # (4,) x0, y0, x1, y1 pixels
    coarse_vertices: np.ndarray | None = None  # (V, 3) before refinement
    joint_covariance: np.ndarray | None = None  # (21, 3, 3) m^2, the wrist's is 0
    joint_covariance_full: np.ndarray | None = None  # (60, 60) m^2, joints 1 to 20
    joint_std: np.ndarray | None = None  # (21,) millimetres


class HandRunner:
    """An exported model.

    Args:
        path: the file that export_onnx.py wrote.
        threads: of ONNX Runtime; 0: as many as there are cores.
    """

    def __init__(self, path, threads: int = ALL_CORES):
        if not Path(path).is_file():
            raise ValueError(f'there is no file {path}; check the path')
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider']
        )
        stored = self.session.get_modelmeta().custom_metadata_map
        self.about = json.loads(stored.get(KEY, '{}'))
        if self.about.get('schema') != SCHEMA:
            raise ValueError(
                f'{path}: its description has version {self.about.get("schema")}, '
                f'this runner reads {SCHEMA}; export it again, or use the run_onnx.py '
                'that came with the exporter'
            )
        self.names = [output.name for output in self.session.get_outputs()]
        batch = self.session.get_inputs()[0].shape[0]
        self.batch = batch if isinstance(batch, int) else None
        self.size = self.about['input']['size']
        self.slots, self.joint_names = self.about['slots'], self.about['joints']
        self.one_hand = len(self.slots) == 1
        faces = {side: np.array(f) for side, f in self.about['faces'].items()}
        # A mirrored right hand is wound the other way round.
        self.faces = {'left': faces['right'][:, ::-1], **faces}

    def __call__(self, image, boxes=None, sides=None, intrinsics=None) -> list[Hand]:
        """The hands of an image: one a box, or right and left of each box.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            boxes: (N, 4) x0, y0, x1, y1 pixels, as the model's data set annotates
                them; None: the whole image.
            sides: 'right' or 'left' for each box; for models of one hand only.
            intrinsics: (3, 3) or fx, fy, cx, cy of the image, pixels; None: not known.
        """
        image = check_image(image)
        height, width = image.shape[:2]
        whole = boxes is None
        if whole:
            boxes = [[-0.5, -0.5, width - 0.5, height - 0.5]]
        boxes = check_boxes(boxes, width, height)
        sides = self.check_sides(sides, len(boxes))
        camera = check_intrinsics(intrinsics, width, height)
        affines = [
            self.affine(box, width, side == 'left', whole)
            for box, side in zip(boxes, sides)
        ]
        crops = [
            warp(image[:, ::-1] if side == 'left' else image, affine, self.size)
            for affine, side in zip(affines, sides)
        ]
        outputs = self.run(np.stack(crops))
        hands = []
        for i, (box, side) in enumerate(zip(boxes, sides)):
            view = View(affines[i], width, self.size, camera, side == 'left')
            for slot, name in enumerate(self.slots):
                found = {key: value[i, slot] for key, value in outputs.items()}
                hands.append(
                    self.hand(found, view, side or name, box, intrinsics is not None)
                )
        return hands

    def check_sides(self, sides, count: int) -> list:
        """A side for each box of a one-hand model, None for each of another."""
        if not self.one_hand:
            if sides is not None:
                raise ValueError('the model finds both hands in a box; give no sides')
            return [None] * count
        sides = [sides] * count if isinstance(sides, str) else list(sides or ())
        if len(sides) != count or not set(sides) <= {'right', 'left'}:
            raise ValueError(
                f'the model reads one hand: sides are {sides}, expected '
                f"'right' or 'left' for each of {count} boxes"
            )
        return sides

    def run(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs, by name, for any number of crops (N, S, S, 3) uint8 RGB."""
        step = self.batch or len(crops)
        parts = []
        for start in range(0, len(crops), step):
            part = crops[start : start + step]
            missing = step - len(part)  # of a file with a fixed batch
            part = np.concatenate([part, np.repeat(part[-1:], missing, 0)])
            outputs = self.session.run(None, {'crops': np.ascontiguousarray(part)})
            parts.append([value[: step - missing] for value in outputs])
        return {
            name: np.concatenate(values).astype(np.float64)
            for name, values in zip(self.names, zip(*parts))
        }

    def affine(
        self, box: np.ndarray, width: int, mirrored: bool, whole: bool
    ) -> np.ndarray:
        """(2, 3) pixels of the image, mirrored or not, to pixels of the crop."""
        crop = self.about['crop']
        centre, extent = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        if whole:  # fills the crop, whatever the padding
            extent = extent / crop['padding']
        if crop['type'] == 'HaMeRCrop':
            return hamer_affine(
                centre - extent / 2,
                extent,
                self.size,
                width - 1 if mirrored else None,
                crop,
            )
        if mirrored:
            centre = np.array([width - 1 - centre[0], centre[1]])
        scale = self.size / (max(extent) * crop['padding'])
        return np.column_stack(
            [scale * np.eye(2), (self.size - 1) / 2 - scale * centre]
        )

    def hand(
        self, found: dict, view: 'View', side: str, box: np.ndarray, metric: bool
    ) -> Hand:
        """One hand from the outputs of a slot."""
        wrist, camera = found['joints'][0], found['camera'].copy()
        # Of points from the wrist of the refined joints, not of the coarse ones.
        camera[:, 1] += camera[:, 0] * wrist[:2]
        result = dict(
            vertices=view.upright(found['vertices'] - wrist),
            joints=view.upright(found['joints'] - wrist),
            rotations=view.upright_rotations(found['rotations']),
            betas=found['betas'],
            translation=view.upright(view.translation(camera)),
            box=box,
            intrinsics=view.intrinsics,
            joints_2d=view.to_image(found['joints_ndc']),
            vertices_2d=view.to_image(self.project(found)),
        )
        if 'coarse_vertices' in found:
            result['coarse_vertices'] = view.upright(
                found['coarse_vertices'] - found['coarse_joints'][0]
            )
        if 'joint_covariance' in found:
            result.update(
                error_bars(
                    view.upright_covariance(without_wrist(found['joint_covariance']))
                )
            )
        result = {name: value.astype(np.float32) for name, value in result.items()}
        return Hand(
            side=side,
            presence=float(found['presence']),
            metric=metric,
            faces=self.faces[side],
            **result,
        )

    def project(self, found: dict) -> np.ndarray:
        """(V, 2) crop NDC of the vertices, through the camera the model has."""
        points = found['vertices']
        if 'weak_camera' in found and 'coarse_vertices' not in found:
            scale, shift = found['weak_camera'][0], found['weak_camera'][1:]
            far = self.about['focal_ndc']
            points = points + found['root'] + [*shift, far / (scale + 1e-9)]
            return far * points[:, :2] / points[:, 2:]
        return points[:, :2] * found['camera'][:, 0] + found['camera'][:, 1]


class View:
    """The way from a crop back to its image.

    Args:
        affine: (2, 3) image to crop; of the mirrored image if ``mirrored``.
        width: of the image, pixels.
        size: side of the crop, pixels.
        intrinsics: (3, 3) of the image, not mirrored.
    """

    def __init__(self, affine, width, size, intrinsics, mirrored):
        self.affine, self.width, self.size = affine, width, size
        self.intrinsics, self.mirrored = intrinsics, mirrored

    def upright(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) of the true side."""
        return points * MIRROR if self.mirrored else points

    def upright_rotations(self, rotations: np.ndarray) -> np.ndarray:
        """(16, 3, 3) of the true side."""
        return rotations * MIRROR[:, None] * MIRROR if self.mirrored else rotations

    def upright_covariance(self, covariance: np.ndarray) -> np.ndarray:
        """(60, 60) of the true side."""
        signs = np.tile(MIRROR, 20)
        return covariance * signs[:, None] * signs if self.mirrored else covariance

    def to_image(self, ndc: np.ndarray) -> np.ndarray:
        """Crop NDC (..., 2) to pixels of the image."""
        pixels = ((ndc + 1) * self.size - 1) / 2
        pixels = (pixels - self.affine[:, 2]) @ np.linalg.inv(self.affine[:, :2]).T
        if self.mirrored:
            pixels[..., 0] = self.width - 1 - pixels[..., 0]
        return pixels

    def translation(self, camera: np.ndarray) -> np.ndarray:
        """The wrist of the camera (2, 2) in metres; NaN where a scale is not positive.

        The scale is the focal length over the depth, once an axis; the two are
        combined by their geometric mean.
        """
        intrinsics = self.intrinsics.copy()
        if self.mirrored:
            intrinsics[0, 1] *= -1
            intrinsics[0, 2] = self.width - 1 - intrinsics[0, 2]
        intrinsics = np.vstack([self.affine, [0, 0, 1]]) @ intrinsics
        scale, half = camera[:, 0], self.size / 2
        if not (scale > 0).all():
            return np.full(3, np.nan)
        depth = np.sqrt(np.prod(np.diag(intrinsics)[:2] / (half * scale)))
        pixel = half * (camera[:, 1] + 1) - 0.5
        return np.linalg.solve(intrinsics, [*pixel, 1.0]) * depth


def hamer_affine(corner, extent, size: int, last, crop: dict) -> np.ndarray:
    """HaMeR's crop, rounded to float32 where HaMeR rounds; (2, 3).

    Args:
        corner, extent: (2,) of the box in the image as it is.
        last: W - 1 where the image is mirrored, else None.
    """
    single = np.float32
    corners = np.array([corner, corner + extent], single)
    centre = ((corners[1] + corners[0]) / single(2)).astype(np.float64)
    if last is not None:
        centre[0] = last - centre[0]
    extent = single(crop['padding']) * (corners[1] - corners[0])
    w, h = (float(value) for value in extent / single(200) * single(200))
    wide, high = crop['aspect'] or (1, 1)
    half = single(max(w, h, w * high / wide, h * wide / high) * 0.5)
    source = np.array([centre, centre + [0, half], centre + [half, 0]], single)
    middle, reach = size * 0.5 - 0.5 * crop['half_pixel'], size * 0.5
    target = np.full((3, 2), middle) + [[0, 0], [0, reach], [reach, 0]]
    points = np.column_stack([source.astype(np.float64), np.ones(3)])
    return np.linalg.solve(points, target.astype(single)).T


def warp(image: np.ndarray, affine: np.ndarray, size: int) -> np.ndarray:
    """(size, size, 3) uint8: the image under an affine map, bilinear, black outside."""
    inverse = np.linalg.inv(np.vstack([affine, [0, 0, 1]]))[:2]
    place = (
        np.stack(
            [*np.meshgrid(np.arange(size), np.arange(size)), np.ones((size, size))], -1
        )
        @ inverse.T
    )
    place = np.rint(2048 * place) / 2048  # as the model's own crops: exact from here
    low = np.floor(place).astype(np.int64)
    share = place - low
    result = np.zeros((size, size, 3))
    for right in (0, 1):
        for below in (0, 1):
            x, y = low[..., 0] + right, low[..., 1] + below
            weight = (share[..., 0] if right else 1 - share[..., 0]) * (
                share[..., 1] if below else 1 - share[..., 1]
            )
            inside = (x >= 0) & (y >= 0) & (x < image.shape[1]) & (y < image.shape[0])
            pixels = image[y.clip(0, image.shape[0] - 1), x.clip(0, image.shape[1] - 1)]
            result += (weight * inside)[..., None] * pixels
    return np.floor(result + 0.5).astype(np.uint8)


# mmhand_dne.gaussian.wrist has the same function; this file must run without it.
def without_wrist(covariance: np.ndarray) -> np.ndarray:
    """(60, 60) of the joints relative to the wrist, also from (63, 63) of all."""
    if len(covariance) == 60:
        return covariance
    differences = np.kron(np.eye(21)[1:] - np.eye(21)[:1], np.eye(3))
    return differences @ covariance @ differences.T


def error_bars(covariance: np.ndarray) -> dict[str, np.ndarray]:
    """Blocks in m^2 and standard deviations in mm of (60, 60)."""
    blocks = np.zeros((21, 3, 3))
    blocks[1:] = np.einsum('jajb->jab', covariance.reshape(20, 3, 20, 3))
    spread = np.sqrt(np.trace(blocks, axis1=1, axis2=2))
    return dict(
        joint_covariance=blocks,
        joint_covariance_full=covariance,
        joint_std=1000 * spread,
    )


def check_image(image) -> np.ndarray:
    """Refuse what is no RGB image of bytes."""
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f'the image is {image.dtype} {image.shape}, expected uint8 '
            '(H, W, 3) RGB; convert it'
        )
    return image


def check_boxes(boxes, width: int, height: int) -> np.ndarray:
    """Refuse boxes without area or outside the image."""
    boxes = np.asarray(boxes, np.float64)
    if boxes.ndim != 2 or boxes.shape[1] != 4 or not len(boxes):
        raise ValueError(
            f'boxes have shape {boxes.shape}, expected (N, 4): x0, y0, x1, y1 pixels'
        )
    for x0, y0, x1, y1 in boxes:
        if not (
            x1 > x0
            and y1 > y0
            and x1 > -0.5
            and y1 > -0.5
            and x0 < width - 0.5
            and y0 < height - 0.5
        ):
            raise ValueError(
                f'the box {[x0, y0, x1, y1]} has no area inside the image '
                f'of {width}x{height} pixels'
            )
    return boxes


def check_intrinsics(given, width: int, height: int) -> np.ndarray:
    """(3, 3); without a camera HaMeR's convention, principal point in the middle."""
    if given is None:
        focal = FOCAL_OF_A_PICTURE * max(width, height)
        given = [focal, focal, (width - 1) / 2, (height - 1) / 2]
    matrix = np.asarray(given, np.float64)
    if matrix.shape == (4,):
        fx, fy, cx, cy = matrix
        matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    if matrix.shape != (3, 3) or not (np.diag(matrix) > 0).all():
        raise ValueError(
            f'the camera is {np.asarray(given).tolist()}, expected a 3x3 '
            'matrix or fx, fy, cx, cy with fx, fy > 0'
        )
    return matrix


def read_image(path) -> np.ndarray:
    """(H, W, 3) uint8 RGB of .npy or .ppm, with Pillow of anything it reads."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f'there is no image {path}; check the path')
    if path.suffix == '.npy':
        return np.load(path, allow_pickle=False)
    if path.suffix == '.ppm':
        magic, width, height, depth, pixels = path.read_bytes().split(None, 4)
        if magic != b'P6' or depth != b'255':
            raise ValueError(f'{path}: not a binary .ppm of 8 bits; convert it')
        # split() would also eat pixels that look like spaces: take the end instead.
        count = int(height) * int(width) * 3
        pixels = np.fromfile(path, np.uint8)[-count:]
        return pixels.reshape(int(height), int(width), 3)
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise ValueError(
            f'{path}: without Pillow only .npy and .ppm can be read; pip '
            'install pillow, or convert it'
        ) from None
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert('RGB'))


def main() -> None:
    parser = argparse.ArgumentParser(description='Find hands with an exported model')
    parser.add_argument('model', help='file of export_onnx.py')
    parser.add_argument('image', help='.npy, .ppm, or with Pillow any image')
    parser.add_argument(
        '--box',
        type=float,
        nargs=4,
        action='append',
        metavar=('X0', 'Y0', 'X1', 'Y1'),
        help='pixels; may be given several times; default: the whole image',
    )
    parser.add_argument(
        '--side',
        choices=['right', 'left'],
        action='append',
        help='of each box, for models of one hand',
    )
    parser.add_argument(
        '--K',
        type=float,
        nargs=4,
        metavar=('FX', 'FY', 'CX', 'CY'),
        help="the image's camera, pixels",
    )
    parser.add_argument('--out', type=Path, help='write all arrays to this .npz')
    args = parser.parse_args()
    try:
        runner = HandRunner(args.model)
        hands = runner(read_image(args.image), args.box, args.side, args.K)
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    for hand in hands:
        place = ' '.join(f'{value:.3f}' for value in hand.translation)
        print(
            f'{hand.side:<5} presence {hand.presence:.2f}, wrist at {place} m'
            + ('' if hand.metric else ' of an assumed camera')
        )
    if args.out:
        names = [field.name for field in fields(Hand)]
        np.savez(
            args.out,
            **{
                name: np.stack([getattr(hand, name) for hand in hands])
                for name in names
                if getattr(hands[0], name) is not None
            },
        )


if __name__ == '__main__':
    main()
