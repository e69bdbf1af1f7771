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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

KEY, SCHEMA = 'mmhand_dne', 1  # of the description in the file's metadata
SIDES = ('right', 'left')
MIRROR = np.array([-1.0, 1.0, 1.0])
FOCAL_OF_AN_IMAGE = 5000 / 256  # of its longer side, where the camera is not known


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
    """The model in a file of export_onnx.py; 0 threads: as many as there are cores."""

    def __init__(self, path, threads: int = 0):
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
        faces = {side: np.array(f) for side, f in self.about['faces'].items()}
        # A mirrored right hand is wound the other way round.
        self.faces = {'left': faces['right'][:, ::-1], **faces}

    def __call__(self, image, boxes=None, sides=None, intrinsics=None) -> list[Hand]:
        """The hands of an image: one per box, or right and left of each box.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            boxes: (N, 4) x0, y0, x1, y1 pixels, as the model's data set annotates
                them; None: the whole image.
            sides: 'right' or 'left' for each box; for models of one hand only.
            intrinsics: (3, 3) or fx, fy, cx, cy of the image, pixels; None: not known.
        """
        image = check_image(image)
        height, width = image.shape[:2]
        whole_image = [[-0.5, -0.5, width - 0.5, height - 0.5]]
        whole = boxes is None
        boxes = check_boxes(whole_image if whole else boxes, width, height)
        sides = self.check_sides(sides, len(boxes))
        camera = check_intrinsics(intrinsics, width, height)
        mirrors = [width - 1 if side == 'left' else None for side in sides]
        views = [
            View(self.affine(box, mirror, whole), self.size, camera, mirror)
            for box, mirror in zip(boxes, mirrors)
        ]
        outputs = self.run(np.stack([view.crop(image) for view in views]))
        hands = []
        for i, (box, side, view) in enumerate(zip(boxes, sides, views)):
            for slot, name in enumerate(self.slots):
                found = {key: value[i, slot] for key, value in outputs.items()}
                common = dict(side=side or name, box=box, metric=intrinsics is not None)
                hands.append(self.hand(found, view, common))
        return hands

    def check_sides(self, sides, count: int) -> list:
        """A side for each box of a one-hand model, None for each of another."""
        if len(self.slots) > 1:
            if sides is not None:
                raise ValueError('the model finds both hands in a box; give no sides')
            return [None] * count
        sides = [sides] * count if isinstance(sides, str) else list(sides or ())
        if len(sides) != count or not set(sides) <= set(SIDES):
            raise ValueError(
                f'the model reads one hand: sides are {sides}, expected '
                f"'right' or 'left' for each of {count} boxes"
            )
        return sides

    def run(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """The outputs, by name, for any number of crops (N, S, S, 3) uint8 RGB."""
        count = len(crops)
        step = self.batch or count
        # A fixed batch is filled up with copies of the last crop.
        crops = np.concatenate([crops, np.repeat(crops[-1:], -count % step, 0)])
        parts = [
            self.session.run(None, {'crops': crops[start : start + step]})
            for start in range(0, count, step)
        ]
        return {
            name: np.concatenate(values)[:count].astype(np.float64)
            for name, values in zip(self.names, zip(*parts))
        }

    def affine(self, box: np.ndarray, mirror: int | None, whole: bool) -> np.ndarray:
        """(2, 3) pixels of the image, mirrored or not, to pixels of the crop."""
        crop = self.about['crop']
        centre, extent = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        if whole:  # fills the crop, whatever the padding
            extent = extent / crop['padding']
        if crop['type'] == 'HaMeRCrop':
            return hamer_affine(centre - extent / 2, extent, self.size, mirror, crop)
        if mirror is not None:
            centre = np.array([mirror - centre[0], centre[1]])
        scale = self.size / (max(extent) * crop['padding'])
        shift = (self.size - 1) / 2 - scale * centre
        return np.column_stack([scale * np.eye(2), shift])

    def hand(self, found: dict, view: 'View', common: dict) -> Hand:
        """One hand from the outputs of a slot and what is known without them."""
        wrist, camera = found['joints'][0], found['camera'].copy()
        # Of points from the wrist of the refined joints, not of the coarse ones.
        camera[:, 1] += camera[:, 0] * wrist[:2]
        result = dict(
            vertices=view.upright(found['vertices'] - wrist),
            joints=view.upright(found['joints'] - wrist),
            rotations=view.upright_matrix(found['rotations']),
            betas=found['betas'],
            translation=view.upright(view.translation(camera)),
            box=common['box'],
            intrinsics=view.intrinsics,
            joints_2d=view.to_image(found['joints_ndc']),
            vertices_2d=view.to_image(self.project(found)),
        )
        if 'coarse_vertices' in found:
            coarse = found['coarse_vertices'] - found['coarse_joints'][0]
            result['coarse_vertices'] = view.upright(coarse)
        if 'joint_covariance' in found:
            covariance = without_wrist(found['joint_covariance'])
            result.update(error_bars(view.upright_matrix(covariance)))
        result = {name: value.astype(np.float32) for name, value in result.items()}
        faces, presence = self.faces[common['side']], float(found['presence'])
        return Hand(**{**common, **result, 'faces': faces, 'presence': presence})

    def project(self, found: dict) -> np.ndarray:
        """(V, 2) crop NDC of the vertices, through the camera the model has."""
        points = found['vertices']
        if 'weak_camera' in found and 'coarse_vertices' not in found:
            scale, shift = found['weak_camera'][0], found['weak_camera'][1:]
            far = self.about['focal_ndc']
            points = points + found['root'] + [*shift, far / (scale + 1e-9)]
            return far * points[:, :2] / points[:, 2:]
        return points[:, :2] * found['camera'][:, 0] + found['camera'][:, 1]


@dataclass
class View:
    """The way from an image to a crop, and from the crop back."""

    affine: np.ndarray  # (2, 3) image, mirrored where it is, to crop; pixels
    size: int  # side of the crop, pixels
    intrinsics: np.ndarray  # (3, 3) of the image as it is
    mirror: int | None  # W - 1 where x becomes W - 1 - x; None: not mirrored

    def crop(self, image: np.ndarray) -> np.ndarray:
        """(S, S, 3) uint8 of the image as it is: bilinear, black outside."""
        image = image if self.mirror is None else image[:, ::-1]
        inverse = np.linalg.inv(np.vstack([self.affine, [0, 0, 1]]))[:2]
        x, y = np.meshgrid(np.arange(self.size), np.arange(self.size))
        position = np.stack([x, y, np.ones(x.shape)], -1) @ inverse.T
        # As the model's own crops round it: all below is exact.
        position = np.rint(2048 * position) / 2048
        low = np.floor(position).astype(np.int64)
        share, limit = position - low, np.array(image.shape[1::-1])
        result = np.zeros((self.size, self.size, 3))
        for corner in np.ndindex(2, 2):  # right, below
            pixel = low + corner
            weight = np.abs(1 - np.array(corner) - share).prod(-1)
            inside = ((pixel >= 0) & (pixel < limit)).all(-1)
            x, y = np.moveaxis(pixel.clip(0, limit - 1), -1, 0)
            result += (weight * inside)[..., None] * image[y, x]
        return np.floor(result + 0.5).astype(np.uint8)

    def upright(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) of the true side."""
        return points if self.mirror is None else points * MIRROR

    def upright_matrix(self, matrix: np.ndarray) -> np.ndarray:
        """(..., 3, 3) or (60, 60), x y z joint by joint, of the true side."""
        signs = np.resize(self.upright(np.ones(3)), matrix.shape[-1])
        return matrix * signs[:, None] * signs

    def to_image(self, ndc: np.ndarray) -> np.ndarray:
        """Crop NDC (..., 2) to pixels of the image."""
        pixels = ((ndc + 1) * self.size - 1) / 2
        pixels = (pixels - self.affine[:, 2]) @ np.linalg.inv(self.affine[:, :2]).T
        if self.mirror is not None:
            pixels[..., 0] = self.mirror - pixels[..., 0]
        return pixels

    def translation(self, camera: np.ndarray) -> np.ndarray:
        """The wrist of the camera (2, 2) in metres; NaN where a scale is not positive.

        The scale is the focal length over the depth, once per axis; the two are
        combined by their geometric mean.
        """
        intrinsics = self.intrinsics.copy()
        if self.mirror is not None:
            intrinsics[0, 1] *= -1
            intrinsics[0, 2] = self.mirror - intrinsics[0, 2]
        intrinsics = np.vstack([self.affine, [0, 0, 1]]) @ intrinsics
        scale, half = camera[:, 0], self.size / 2
        if not (scale > 0).all():
            return np.full(3, np.nan)
        depth = np.sqrt(np.prod(np.diag(intrinsics)[:2] / (half * scale)))
        pixel = half * (camera[:, 1] + 1) - 0.5
        return np.linalg.solve(intrinsics, [*pixel, 1.0]) * depth


def hamer_affine(corner, extent, size: int, mirror, crop: dict) -> np.ndarray:
    """HaMeR's crop (2, 3) of a box in the unmirrored image; rounded as HaMeR rounds."""
    single = np.float32
    corners = np.array([corner, corner + extent], single)
    centre = ((corners[1] + corners[0]) / single(2)).astype(np.float64)
    if mirror is not None:
        centre[0] = mirror - centre[0]
    extent = single(crop['padding']) * (corners[1] - corners[0])
    w, h = (float(value) for value in extent / single(200) * single(200))
    wide, high = crop['aspect'] or (1, 1)
    half = single(max(w, h, w * high / wide, h * wide / high) * 0.5)
    source = np.array([centre, centre + [0, half], centre + [half, 0]], single)
    middle, reach = size * 0.5 - 0.5 * crop['half_pixel'], size * 0.5
    target = np.full((3, 2), middle) + [[0, 0], [0, reach], [reach, 0]]
    points = np.column_stack([source.astype(np.float64), np.ones(3)])
    return np.linalg.solve(points, target.astype(single)).T


# mmhand_dne.gaussian.wrist has the same function; this file must run without it.
def without_wrist(covariance: np.ndarray) -> np.ndarray:
    """(60, 60) of the joints relative to the wrist, also from (63, 63) of all."""
    if len(covariance) == 60:
        return covariance
    differences = np.kron(np.eye(21)[1:] - np.eye(21)[:1], np.eye(3))
    return differences @ covariance @ differences.T


def error_bars(full: np.ndarray) -> dict[str, np.ndarray]:
    """Blocks in m^2 and standard deviations in mm of (60, 60)."""
    blocks = np.zeros((21, 3, 3))
    blocks[1:] = np.einsum('jajb->jab', full.reshape(20, 3, 20, 3))
    std = 1000 * np.sqrt(np.trace(blocks, axis1=1, axis2=2))
    return dict(joint_covariance=blocks, joint_covariance_full=full, joint_std=std)


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
    low, high, size = boxes[:, :2], boxes[:, 2:], np.array([width, height])
    fits = ((high > low) & (high > -0.5) & (low < size - 0.5)).all(1)
    if not fits.all():
        raise ValueError(
            f'the box {boxes[~fits][0].tolist()} has no area inside the image '
            f'of {width}x{height} pixels'
        )
    return boxes


def check_intrinsics(given, width: int, height: int) -> np.ndarray:
    """(3, 3); without a camera HaMeR's convention, principal point in the middle."""
    if given is None:
        focal = FOCAL_OF_AN_IMAGE * max(width, height)
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
        content = path.read_bytes()
        magic, width, height, depth, _ = content.split(None, 4)
        if magic != b'P6' or depth != b'255':
            raise ValueError(f'{path}: not a binary .ppm of 8 bits; convert it')
        # split() also eats pixels that look like spaces: they are taken from the end.
        shape = int(height), int(width), 3
        return np.frombuffer(content, np.uint8)[-np.prod(shape) :].reshape(shape)
    try:
        from PIL import Image, ImageOps
    except ImportError:
        raise ValueError(
            f'{path}: without Pillow only .npy and .ppm can be read; pip '
            'install pillow, or convert it'
        ) from None
    with Image.open(path) as image:
        return np.asarray(ImageOps.exif_transpose(image).convert('RGB'))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Find hands with an exported model')
    add, numbers = parser.add_argument, dict(type=float, nargs=4)
    add('model', help='file of export_onnx.py')
    add('image', help='.npy, .ppm, or with Pillow any image')
    corners = dict(metavar=('X0', 'Y0', 'X1', 'Y1'), action='append')
    several = 'pixels; may be given several times; default: the whole image'
    add('--box', **numbers, **corners, help=several)
    one_hand = 'of each box, for models of one hand'
    add('--side', choices=SIDES, action='append', help=one_hand)
    camera = "the image's camera, pixels"
    add('--K', **numbers, metavar=('FX', 'FY', 'CX', 'CY'), help=camera)
    add('--out', type=Path, help='write all arrays to this .npz')
    return parser.parse_args()


def main() -> None:
    args = parse_args()
    try:
        runner = HandRunner(args.model)
        hands = runner(read_image(args.image), args.box, args.side, args.K)
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    for hand in hands:
        wrist = ' '.join(f'{value:.3f}' for value in hand.translation)
        note = '' if hand.metric else ' of an assumed camera'
        print(f'{hand.side:<5} presence {hand.presence:.2f}, wrist at {wrist} m{note}')
    if args.out:
        known = [name for name, value in vars(hands[0]).items() if value is not None]
        rows = {name: [getattr(hand, name) for hand in hands] for name in known}
        np.savez(args.out, **{name: np.stack(row) for name, row in rows.items()})


if __name__ == '__main__':
    main()
