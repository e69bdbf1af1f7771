"""Run an exported model with NumPy and ONNX Runtime alone; this file needs no other.

    python run_onnx.py MODEL.onnx IMAGE [--box 40 30 190 180] [--side left] \
        [--K FX FY CX CY] [--out hands.npz]

Without a box it finds the hands, where the exporter wrote the files for it beside the
model: MODEL.palms.onnx and MODEL.landmarks.onnx. IMAGE is .npy (H, W, 3) uint8 RGB or
binary .ppm; anything else needs Pillow. In code:

    from run_onnx import HandRunner
    hands = HandRunner('model.onnx')(image, boxes=[[40, 30, 190, 180]])
    hands[0].vertices, hands[0].joints_2d, hands[0].translation

and of a video, whose hands are looked for where they last were:

    from run_onnx import Picture
    runner, found = HandRunner('model.onnx'), []
    for frame in frames:
        found = runner.finder.find(Picture(frame), found)
        hands = runner.read(Picture(frame), [runner.place(hand) for hand in found])

Pixel centres are at integers; camera axes are x right, y down, z forward.
"""

import argparse
import json
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnxruntime

KEY, SCHEMAS = 'mmhand_dne', (1, 2)  # of the description in the file's metadata
SIDES = ('right', 'left')
MIRROR = np.array([-1.0, 1.0, 1.0])
FINDER = ('palms', 'landmarks')  # endings of the files that find hands
LANE = 21  # bits of a channel's sum
READABLE = 0.5  # presence from which landmarks are trusted to place a square
SAME = 0.5  # intersection over union of two meshes of one hand
FOCAL_OF_AN_IMAGE = 5000 / 256  # of its longer side, where the camera is not known


@dataclass(frozen=True, eq=False)
class Landmarks:
    """One hand's landmarks in an image, joints in OpenPose order."""

    points: np.ndarray  # (21, 2) pixels of the image
    depth: np.ndarray  # (21,) likewise, away from the camera, about 0 at the wrist
    world: np.ndarray  # (21, 3) metres, axes of the image: x right, y down, z away
    presence: float  # of a hand, in [0, 1]
    right: float  # of its being a right hand, in [0, 1]
    square: np.ndarray  # (4,) about them: centre x and y, side, pixels; angle, radians
    read_from: np.ndarray  # (4,) likewise


@dataclass(frozen=True, eq=False)
class Place:
    """Where one crop is cut from an image."""

    box: np.ndarray  # (4,) x0, y0, x1, y1 pixels, before it is turned
    side: str | None = None  # of the hand, for models of one hand
    angle: float = 0.0  # radians; it is turned clockwise about its middle
    fills: bool = False  # the crop, whatever the model's padding
    presence: float | None = None  # of what found it


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
        self.session, self.about = open_model(path, threads)
        self.names = [output.name for output in self.session.get_outputs()]
        batch = self.session.get_inputs()[0].shape[0]
        self.batch = batch if isinstance(batch, int) else None
        size, origin = self.about['input']['size'], self.about.get('origin_ndc')
        self.size = np.array([size, size] if isinstance(size, int) else size)  # W, H
        self.axis = np.array(origin or 0.0)  # of HaMeR's own camera, NDC
        self.slots, self.joint_names = self.about['slots'], self.about['joints']
        faces = {side: np.array(f) for side, f in self.about['faces'].items()}
        # A mirrored right hand is wound the other way round.
        self.faces = {'left': faces['right'][:, ::-1], **faces}
        parts = [Path(path).with_suffix(f'.{name}.onnx') for name in FINDER]
        found = all(part.is_file() for part in parts)
        self.finder = Finder(*parts, threads) if found else None

    def __call__(self, image, boxes=None, sides=None, intrinsics=None) -> list[Hand]:
        """The hands of an image: one per box, or right and left of each box.

        Args:
            image: (H, W, 3) uint8 RGB, upright.
            boxes: (N, 4) x0, y0, x1, y1 pixels, as the model's data set annotates
                them; None: hands are found, or the whole image is one where the files
                for that are missing.
            sides: 'right' or 'left' for each box; for models of one hand only. Where
                hands can be found it is needless, and one side is for all.
            intrinsics: (3, 3) or fx, fy, cx, cy of the image, pixels; None: not known.
        """
        picture = Picture(check_image(image))
        if boxes is None and self.finder:
            places = [self.place(hand) for hand in self.finder.find(picture)]
            if sides is not None:  # what the user says
                [side] = self.check_sides(sides, 1)
                places = [replace(place, side=side) for place in places]
            hands = without_doubles(self.read(picture, places, intrinsics))
            return sorted(hands, key=lambda h: (SIDES.index(h.side), -h.presence))
        return self.read(picture, self.places(picture, boxes, sides), intrinsics)

    def read(self, picture: 'Picture', places: list[Place], intrinsics=None) -> list:
        """The hands at some places of an image."""
        camera = check_intrinsics(intrinsics, picture.width, picture.height)
        if not places:
            return []
        views = []
        for place in places:
            mirror = picture.width - 1 if place.side == 'left' else None
            views.append(View(self.affine(place, mirror), self.size, camera, mirror))
        exact = self.about['crop']['type'] == 'MeshCrop'
        crops = [
            picture.cut(v.affine, self.size, v.mirror is not None, exact) for v in views
        ]
        outputs = self.run(np.stack(crops))
        hands = []
        for i, (place, view) in enumerate(zip(places, views)):
            for slot, name in enumerate(self.slots):
                found = {key: value[i, slot] for key, value in outputs.items()}
                if place.presence is not None:
                    found['presence'] = place.presence
                common = dict(
                    side=place.side or name,
                    box=place.box,
                    metric=intrinsics is not None,
                )
                hands.append(self.hand(found, view, common))
        return hands

    def place(self, hand: Landmarks) -> Place:
        """Where the crop of a hand with landmarks is cut."""
        side = 'right' if hand.right >= 0.5 else 'left'
        sure = hand.presence >= READABLE
        x, y, extent, angle = hand.square if sure else hand.read_from
        reach = extent / 2
        box = np.array([x - reach, y - reach, x + reach, y + reach])
        return Place(box, side, angle, fills=True, presence=hand.presence)

    def places(self, picture: 'Picture', boxes, sides) -> list[Place]:
        """Where the crops of given boxes, or of the whole image, are cut."""
        width, height = picture.width, picture.height
        whole_image = [[-0.5, -0.5, width - 0.5, height - 0.5]]
        whole = boxes is None
        boxes = check_boxes(whole_image if whole else boxes, width, height)
        if self.about.get('upright'):
            if self.finder is None:
                raise ValueError(
                    'the model knows only hands that point up in their crop, which the '
                    f'files {" and ".join(FINDER)} beside it see to; export it again'
                )
            wanted = [None] * len(boxes) if sides is None else sides
            wanted = self.check_sides(wanted, len(boxes), (*SIDES, None))
            return [self.turned(picture, *pair) for pair in zip(boxes, wanted)]
        sides = self.check_sides(sides, len(boxes))
        return [Place(box, side, fills=whole) for box, side in zip(boxes, sides)]

    def turned(self, picture: 'Picture', box: np.ndarray, side: str | None) -> Place:
        """The place of the hand in a box that does not say how it is turned."""
        place = self.place(self.finder.in_box(picture, box, side))
        return replace(place, side=side or place.side, presence=None)

    def check_sides(self, sides, count: int, known=SIDES) -> list:
        """A side for each box of a one-hand model, None for each of another."""
        if len(self.slots) > 1:
            if sides is not None:
                raise ValueError('the model finds both hands in a box; give no sides')
            return [None] * count
        sides = [sides] * count if isinstance(sides, str) else list(sides or ())
        if len(sides) != count or not set(sides) <= set(known):
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

    def affine(self, place: Place, mirror: int | None) -> np.ndarray:
        """(2, 3) pixels of the image, mirrored or not, to pixels of the crop."""
        crop, box = self.about['crop'], place.box
        centre, extent = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        if place.fills:
            extent = extent / crop['padding']
        angle = place.angle if mirror is None else -place.angle
        if crop['type'] == 'HaMeRCrop':
            return hamer_affine(centre, extent, angle, self.size, mirror, crop)
        if mirror is not None:
            centre = np.array([mirror - centre[0], centre[1]])
        side = (extent * (self.size.max() / self.size)).max() * crop['padding']
        return square_affine([*centre, side, angle], self.size)

    def hand(self, found: dict, view: 'View', common: dict) -> Hand:
        """One hand from the outputs of a slot and what is known without them."""
        wrist, camera = found['joints'][0], found['camera'].copy()
        # Of points from the wrist of the refined joints, not of the coarse ones.
        camera[:, 1] += camera[:, 0] * wrist[:2]
        points, seen = found['vertices'] - wrist, self.project(found)
        if self.about.get('origin_ndc') is None:
            place = view.translation(camera, points, seen)
        else:
            place = view.official(found['weak_camera']) + found['root'] + wrist
        result = dict(
            vertices=view.upright(points),
            joints=view.upright(found['joints'] - wrist),
            rotations=view.upright_rotations(found['rotations']),
            betas=found['betas'],
            translation=view.upright(place),
            box=common['box'],
            intrinsics=view.intrinsics,
            joints_2d=view.to_image(found['joints_ndc']),
            vertices_2d=view.to_image(seen),
        )
        if 'coarse_vertices' in found:
            coarse = found['coarse_vertices'] - found['coarse_joints'][0]
            result['coarse_vertices'] = view.upright(coarse)
        if 'joint_covariance' in found:
            covariance = without_wrist(found['joint_covariance'])
            result.update(error_bars(view.upright_covariance(covariance)))
        result = {name: value.astype(np.float32) for name, value in result.items()}
        faces, presence = self.faces[common['side']], float(found['presence'])
        return Hand(**{**common, **result, 'faces': faces, 'presence': presence})

    def project(self, found: dict) -> np.ndarray:
        """(V, 2) crop NDC of the vertices, through the camera the model has."""
        points = found['vertices']
        if 'weak_camera' in found and 'coarse_vertices' not in found:
            scale, shift = found['weak_camera'][0], found['weak_camera'][1:]
            far = np.array(self.about['focal_ndc'])
            points = points + found['root'] + [*shift, far.min() / (scale + 1e-9)]
            return far * points[:, :2] / points[:, 2:] + self.axis
        return points[:, :2] * found['camera'][:, 0] + found['camera'][:, 1]


class Finder:
    """Hands in an image by the two files beside a model, as mmhand_dne's HandFinder."""

    def __init__(self, palms, landmarks, threads: int = 0):
        self.palms, about = open_model(palms, threads, 'palms')
        self.landmarks, more = open_model(landmarks, threads, 'landmarks')
        self.about = {**about, **more}

    def find(self, picture: 'Picture', previous=(), look=None) -> list[Landmarks]:
        """Hands, those of ``previous`` first, then the surest first.

        Args:
            previous: of the frame before in a video.
            look: for new ones too; None: where one was lost or there was none.
        """
        about = self.about
        hands = self.distinct(self.again(picture, previous), about['presence_thr'])
        if look is None:
            look = not previous or len(hands) < len(previous)
        if look:
            palms = self.detect(picture, [about['size']], about['score_thr'])
            hands += self.at_palms(picture, palms)
            hands = self.distinct(hands, about['presence_thr'])
        if len(hands) < about['at_least'] and not previous:
            sizes = [about['size'], *about['second_pass']]
            palms = self.detect(picture, sizes, about['second_thr'])
            known = [hand.points[about['palm_joints']] for hand in hands]
            palms = [
                palm
                for palm in palms
                if all(distance(palm[2:], old) >= about['same_palm'] for old in known)
            ]
            hands += self.at_palms(picture, palms)
            hands = self.distinct(hands, about['search_thr'])
        return hands

    def in_box(self, picture: 'Picture', box, side: str | None = None) -> Landmarks:
        """The hand in a box (4,) that does not say how the hand is turned."""
        about, box = self.about, np.asarray(box, np.float64)
        x, y = (box[:2] + box[2:]) / 2
        extent = about['box_scale'] * max(box[2:] - box[:2])
        turns = 2 * np.pi * np.arange(about['angles']) / about['angles']
        hands = self.read(picture, [[x, y, extent, turn] for turn in turns])

        def quality(hand: Landmarks) -> float:
            fit = hand.presence * overlap(tight_box(hand.points), box)
            of_side = hand.right if side == 'right' else 1 - hand.right
            return fit if side is None else fit * (about['wrong_side'] + of_side)

        hands = sorted(hands, key=quality, reverse=True)[: about['followed']]
        for _ in range(about['rounds']):
            hands = self.again(picture, hands)
        return max(hands, key=quality)

    def detect(self, picture: 'Picture', sizes, threshold: float) -> list[np.ndarray]:
        """Palms, the surest first, each (9, 2): two corners, seven points, pixels."""
        scores, boxes = [], []
        for size in sizes:
            square, scale, shift = picture.fitted(size)
            score, box = self.palms.run(['scores', 'boxes'], {'squares': square[None]})
            kept = score[0] > threshold
            scores.append(score[0][kept])
            boxes.append((box[0][kept].astype(np.float64) - shift) / scale - 0.5)
        scores, boxes = np.concatenate(scores), np.concatenate(boxes)
        order = np.argsort(-scores, kind='stable')
        scores, boxes, palms = scores[order], boxes[order], []
        while len(scores):  # boxes that overlap become their mean, weighted by score
            same = overlaps(boxes[0], boxes) > self.about['nms_thr']
            same[0] = True
            palms.append(np.average(boxes[same], axis=0, weights=scores[same]))
            scores, boxes = scores[~same], boxes[~same]
        return palms

    def at_palms(self, picture: 'Picture', palms) -> list[Landmarks]:
        """The landmarks about the surest palms, the most present hand first."""
        about, squares = self.about, []
        for palm in palms[: about['most']]:
            ahead = palm[2 + about['palm_middle']] - palm[2 + about['palm_wrist']]
            angle, extent = np.arctan2(ahead[0], -ahead[1]), palm[1] - palm[0]
            shift = about['palm_shift'] * extent[1]
            centre = palm[:2].mean(0) + shift * np.array(
                [-np.sin(angle), np.cos(angle)]
            )
            squares.append([*centre, about['palm_scale'] * max(extent), angle])
        # Palms of one hand lead to nearly the same square: it is read again once.
        hands = sorted(self.read(picture, squares), key=lambda hand: -hand.presence)
        hands = self.again(picture, self.distinct(hands, about['hopeless']))
        return sorted(hands, key=lambda hand: -hand.presence)

    def again(self, picture: 'Picture', hands) -> list[Landmarks]:
        """The hands, read again from the squares about their landmarks."""
        return self.read(picture, [hand.square for hand in hands])

    def read(self, picture: 'Picture', squares) -> list[Landmarks]:
        """What is in each square (4,), be it a hand or not."""
        size, batch, hands = self.about['crop_size'], 16, []
        for start in range(0, len(squares), batch):
            part = np.array(squares[start : start + batch], np.float64)
            part[:, 2] = np.maximum(part[:, 2], self.about['least_side'])
            crops = np.stack([self.cut(picture, square, size) for square in part])
            feed = dict(crops=crops, squares=part.astype(np.float32))
            outputs = dict(zip(self.names, self.landmarks.run(self.names, feed)))
            for i, square in enumerate(part):
                found = {k: v[i].astype(np.float64) for k, v in outputs.items()}
                hands.append(Landmarks(**found, read_from=square))
        return hands

    names = ['points', 'depth', 'world', 'presence', 'right', 'square']

    def cut(self, picture: 'Picture', square: np.ndarray, size: int) -> np.ndarray:
        """Its crop; of more than twice as many pixels an average."""
        most = self.about.get('most_times', np.inf)  # older exporters' have no limit
        often = int(square[2] // (size * most))
        often = min(often, max(picture.height, picture.width))
        if often > 1:
            picture = picture.reduced(often)
            centre = (square[:2] + 0.5) / often - 0.5
            square = np.array([*centre, square[2] / often, square[3]])
        times = min(max(int(square[2] // size), 1), 2 * most)
        fine = picture.cut(square_affine(square, size * times), size * times)
        return block_means(fine, times)

    def distinct(self, hands, threshold: float) -> list[Landmarks]:
        """Those that are present and no double of an earlier one."""
        kept: list[Landmarks] = []
        for hand in hands:
            if hand.presence > threshold and not any(
                distance(hand.points, other.points)
                < self.about['double_thr']
                * (1 if (hand.right > 0.5) == (other.right > 0.5) else 0.5)
                for other in kept
            ):
                kept.append(hand)
        return kept


def distance(points: np.ndarray, others: np.ndarray) -> float:
    """Mean distance of (N, 2) points over the longer side of the larger box."""
    extent = max(np.ptp(each, axis=0).max() for each in (points, others))
    return np.linalg.norm(points - others, axis=1).mean() / max(extent, 1e-9)


def overlaps(box: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Intersection over union of a box (>= 2, 2) with each of (N, >= 2, 2)."""
    low, high = boxes[:, 0], boxes[:, 1]
    common = (np.minimum(box[1], high) - np.maximum(box[0], low)).clip(0).prod(-1)
    total = (box[1] - box[0]).prod() + (high - low).prod(-1) - common
    return common / np.maximum(total, 1e-9)


def overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes (4,)."""
    return float(overlaps(box.reshape(2, 2), other.reshape(1, 2, 2))[0])


def tight_box(points: np.ndarray) -> np.ndarray:
    """(4,) x0, y0, x1, y1 of (N, 2) points."""
    return np.concatenate([points.min(0), points.max(0)])


@dataclass
class View:
    """The way from an image to a crop, and from the crop back."""

    affine: np.ndarray  # (2, 3) image, mirrored where it is, to crop; pixels
    size: np.ndarray  # (2,) width and height of the crop, pixels
    intrinsics: np.ndarray  # (3, 3) of the image as it is
    mirror: int | None  # W - 1 where x becomes W - 1 - x; None: not mirrored

    @property
    def rotation(self) -> np.ndarray:
        """(3, 3) from the axes of the image's camera to the crop's."""
        linear, rotation = self.affine[:, :2], np.eye(3)
        rotation[:2, :2] = linear / np.sqrt(np.linalg.det(linear))
        return rotation

    def upright(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) in the axes of the image, of the true side."""
        return points @ self.rotation * (1 if self.mirror is None else MIRROR)

    def upright_rotations(self, rotations: np.ndarray) -> np.ndarray:
        """(16, 3, 3) likewise; all but the first are from joint to joint."""
        rotations = np.concatenate([self.rotation.T @ rotations[:1], rotations[1:]])
        signs = np.ones(3) if self.mirror is None else MIRROR
        return rotations * signs[:, None] * signs

    def upright_covariance(self, covariance: np.ndarray) -> np.ndarray:
        """(60, 60) likewise, x y z joint by joint."""
        step = np.kron(np.eye(20), self.upright(np.eye(3)))
        return step.T @ covariance @ step

    def to_image(self, ndc: np.ndarray) -> np.ndarray:
        """Crop NDC (..., 2) to pixels of the image."""
        pixels = ((ndc + 1) * self.size - 1) / 2
        pixels = (pixels - self.affine[:, 2]) @ np.linalg.inv(self.affine[:, :2]).T
        if self.mirror is not None:
            pixels[..., 0] = self.mirror - pixels[..., 0]
        return pixels

    def translation(self, camera, points, ndc) -> np.ndarray:
        """The wrist, from which points (N, 3) are seen at crop NDC (N, 2), in metres;
        NaN where a scale of the camera (2, 2) is not positive.

        Least squares of x Z = X, y Z = Y over the points; (x, y, 1) is a pixel's ray.
        """
        if not (camera[:, 0] > 0).all():
            return np.full(3, np.nan)
        pixels = ((ndc + 1.0) * self.size - 1) / 2
        rays = np.column_stack([pixels, np.ones(len(pixels))])
        rays = rays @ np.linalg.inv(self.crop_intrinsics()).T
        axes = np.broadcast_to(np.eye(2), (len(rays), 2, 2))
        rows = np.concatenate([axes, -rays[:, :2, None]], -1).reshape(-1, 3)
        goal = (rays[:, :2] * points[:, 2:] - points[:, :2]).ravel()
        origin = np.linalg.lstsq(rows, goal, rcond=None)[0]
        return origin if origin[2] > 0 else np.full(3, np.nan)

    def official(self, weak) -> np.ndarray:
        """The origin of MANO's frame in metres, as HaMeR's camera (3,) places it."""
        scale, intrinsics = float(weak[0]), self.crop_intrinsics()
        if not scale > 0:
            return np.full(3, np.nan)
        span = self.size.max() * scale + 1e-9
        pixel = self.size / 2 + span / 2 * weak[1:].astype(np.float64)
        depth = 2 * np.sqrt(intrinsics[0, 0] * intrinsics[1, 1]) / span
        return np.linalg.inv(intrinsics) @ [*pixel, 1.0] * depth

    def crop_intrinsics(self) -> np.ndarray:
        """(3, 3) of the crop, mirrored where it is."""
        intrinsics = self.intrinsics.astype(np.float64)
        if self.mirror is not None:
            intrinsics[0, 1] *= -1
            intrinsics[0, 2] = self.mirror - intrinsics[0, 2]
        return np.vstack([self.affine, [0, 0, 1]]) @ intrinsics @ self.rotation.T


class Picture:
    """An image (H, W, 3) uint8 RGB that squares are cut from, black outside of it."""

    def __init__(self, image: np.ndarray):
        self.image, (self.height, self.width) = image, image.shape[:2]
        # Three numbers of up to 21 bits in one: all channels are summed at once.
        lanes = np.zeros((self.height + 2, self.width + 2), np.int64)
        inner = lanes[1:-1, 1:-1]
        for channel in range(3):
            inner |= image[..., channel].astype(np.int64) << LANE * channel
        self.lanes = lanes.reshape(-1)
        self.reductions: dict[int, Picture] = {}

    def reduced(self, times: int) -> 'Picture':
        """Its pixels are means of ``times`` x ``times`` ones, black outside."""
        if times not in self.reductions:
            low, right = (-side % times for side in self.image.shape[:2])
            whole = np.pad(self.image, ((0, low), (0, right), (0, 0)))
            self.reductions[times] = Picture(block_means(whole, times))
        return self.reductions[times]

    def cut(self, affine, size, mirrored=False, exact=False) -> np.ndarray:
        """(H, W, 3) uint8 by (2, 3) from the image, mirrored or not; bilinear.

        Args:
            exact: round positions to 1/2048 pixel instead of OpenCV's 1/32.
        """
        unit = 2048 if exact else 32
        x, y = positions(inverted(affine), size, exact)
        x_low, y_low = x // unit, y // unit
        x_share, y_share = x - unit * x_low, y - unit * y_low
        lines = [self.row(y_low + below, self.height) for below in (0, 1)]
        total = 0
        for below, right in np.ndindex(2, 2):
            column = x_low + right
            column = self.width - 1 - column if mirrored else column
            index = lines[below] * (self.width + 2) + self.row(column, self.width)
            weight = (x_share if right else unit - x_share) * (
                y_share if below else unit - y_share
            )
            value = self.lanes.take(index)
            if exact:  # no room for three sums in one number
                value = value[..., None] >> LANE * np.arange(3) & 255
                weight = weight[..., None]
            total = total + weight * value
        if exact:
            return ((total + unit**2 // 2) // unit**2).astype(np.uint8)
        # Rounded: half a unit squared is added to each number.
        total = total[..., None] >> LANE * np.arange(3) & (1 << LANE) - 1
        return ((total + unit**2 // 2) // unit**2).astype(np.uint8)

    @staticmethod
    def row(index: np.ndarray, count: int) -> np.ndarray:
        """In the padded image."""
        return index.clip(-1, count) + 1

    def fitted(self, size: int):
        """The whole image in the middle of a black square; scale and shift (2,) to
        there, of coordinates that begin at the edge.
        """
        scale = size / max(self.height, self.width)
        inner = np.rint(np.array([self.width, self.height]) * scale)
        inner = np.maximum(inner, 1).astype(int)
        left, top = (size - inner) // 2
        square = np.zeros((size, size, 3), np.uint8)
        small = (averaged if scale < 1 else interpolated)(self.image, *inner)
        square[top : top + inner[1], left : left + inner[0]] = small
        return square, scale, np.array([left, top])


def block_means(image: np.ndarray, times: int) -> np.ndarray:
    """(H / times, W / times, 3) uint8 of an image, rounded as OpenCV's INTER_AREA."""
    if times == 1:
        return image
    height, width = (side // times for side in image.shape[:2])
    sums = image.reshape(height, times, width, times, 3).sum((1, 3), np.int64)
    if times == 2:
        return ((sums + 2) >> 2).astype(np.uint8)
    return np.rint(sums * np.float32(1 / times**2)).astype(np.uint8)


def inverted(affine: np.ndarray) -> np.ndarray:
    """(2, 3) that leads back."""
    (a, b, x), (c, d, y) = affine
    inverse = np.array([[d, -b], [-c, a]]) / (a * d - b * c)
    return np.column_stack([inverse, -inverse @ [x, y]])


def positions(inverse: np.ndarray, size, exact: bool):
    """Where the pixels of a crop are, x and y (H, W) in whole units.

    Args:
        inverse: (2, 3) pixels of the crop to those of the image.
    """
    across, beneath = (np.arange(side) for side in np.broadcast_to(size, 2))
    if exact:
        x, y = np.meshgrid(across, beneath)
        place = np.stack([x, y, np.ones(x.shape)], -1) @ inverse.T
        return np.moveaxis(np.rint(2048 * place).astype(np.int64), -1, 0)
    along = np.rint(1024 * inverse[:, :1] * across).astype(np.int64)  # OpenCV's sums
    down = np.rint(1024 * (inverse[:, 1:2] * beneath + inverse[:, 2:])).astype(np.int64)
    return (along[:, None] + down[:, :, None] + 16) >> 5


def averaged(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """OpenCV's INTER_AREA to a smaller (height, width, 3), in its order of sums."""
    columns, weights = area_table(image.shape[1], width)
    rows, row_weights = area_table(image.shape[0], height)
    part = sum(image[:, i] * w[:, None] for i, w in zip(columns, weights))
    return np.rint(sum(part[i] * w[:, None, None] for i, w in zip(rows, row_weights)))


def area_table(source: int, target: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (K, target) of which each new one is made, and their float32 shares."""
    scale = source / target
    begin = np.arange(target) * scale
    end, extent = begin + scale, np.minimum(scale, source - begin)
    last = np.minimum(np.floor(end).astype(int), source - 1)
    first = np.minimum(np.ceil(begin).astype(int), last)  # of the whole ones
    pixels = first - 1 + np.arange((last - first).max() + 2)[:, None]
    rest = np.minimum(np.minimum(end - last, 1), extent)
    shares = np.where(pixels < first, first - begin, (pixels < last) * 1.0)
    shares = np.where(pixels == last, rest, shares)
    shares[(shares <= 1e-3) | (pixels > last)] = 0  # as OpenCV leaves them out
    return pixels.clip(0, source - 1), (shares / extent).astype(np.float32)


def interpolated(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """OpenCV's INTER_LINEAR to a larger (height, width, 3), in its integers."""
    low, high, share = linear_table(image.shape[1], width)
    inside = (low >= 0) & (high < image.shape[1])
    share, pixels = np.where(inside, share, 0), image.astype(np.int64)
    ends = [pixels[:, i.clip(0, image.shape[1] - 1)] for i in (low, high)]
    near, far = (weight[:, None] for weight in shares_of(share))
    lines = near * ends[0] + far * ends[1] >> 4
    low, high, share = linear_table(image.shape[0], height)
    ends = [lines[i.clip(0, image.shape[0] - 1)] for i in (low, high)]
    near, far = (
        end * weight[:, None, None] >> 16 for end, weight in zip(ends, shares_of(share))
    )
    return (near + far + 2) >> 2


def linear_table(source: int, target: int):
    """The two pixels that each new one lies between; how far it is from the first."""
    place = ((np.arange(target) + 0.5) * (source / target) - 0.5).astype(np.float32)
    low = np.floor(place).astype(int)
    return low, low + 1, (place - low).astype(np.float32)


def shares_of(share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the first and the second pixel, in units of 1/2048."""
    near, far = np.rint(2048 * (np.float32(1) - share)), np.rint(2048 * share)
    return near.astype(np.int64), far.astype(np.int64)


def hamer_affine(centre, extent, angle, size, mirror, crop: dict) -> np.ndarray:
    """HaMeR's crop (2, 3) of a box in the unmirrored image; rounded as HaMeR rounds."""
    single = np.float32
    corners = np.array([centre - extent / 2, centre + extent / 2], single)
    centre = ((corners[1] + corners[0]) / single(2)).astype(np.float64)
    if mirror is not None:
        centre[0] = mirror - centre[0]
    extent = single(crop['padding']) * (corners[1] - corners[0])
    w, h = (float(value) for value in extent / single(200) * single(200))
    wide, high = crop['aspect'] or (1, 1)
    half = single(max(w, h, w * high / wide, h * wide / high) * 0.5)
    right = np.array([half * np.cos(angle), half * np.sin(angle)], single)
    down = np.array([-half * np.sin(angle), half * np.cos(angle)], single)
    source = np.array([centre, centre + down, centre + right], single)
    whole = size.max()
    middle, reach = whole * 0.5 - 0.5 * crop['half_pixel'], whole * 0.5
    target = np.full((3, 2), middle) + [[0, 0], [0, reach], [reach, 0]]
    points = np.column_stack([source.astype(np.float64), np.ones(3)])
    cut_off = np.column_stack([np.zeros((2, 2)), (whole - size) / 2])
    return np.linalg.solve(points, target.astype(single)).T - cut_off


def square_affine(square, size) -> np.ndarray:
    """(2, 3) pixels of an image to the crop's, of a square (4,) or its middle."""
    x, y, side, angle = square
    cos, sin = np.cos(angle), np.sin(angle)
    linear = np.array([[cos, sin], [-sin, cos]]) * (np.max(size) / side)
    return np.column_stack([linear, (size - 1) / 2 - linear @ [x, y]])


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


def without_doubles(hands: list[Hand]) -> list[Hand]:
    """Each hand once: of two of a side that cover each other the more present."""
    kept: list[Hand] = []
    for hand in sorted(hands, key=lambda hand: -hand.presence):
        same = [other for other in kept if other.side == hand.side]
        box = tight_box(hand.vertices_2d)
        if all(overlap(box, tight_box(other.vertices_2d)) <= SAME for other in same):
            kept.append(hand)
    return kept


def open_model(path, threads: int, kind: str | None = None):
    """A session and the description in a file of export_onnx.py."""
    if not Path(path).is_file():
        raise ValueError(f'there is no file {path}; check the path')
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # Threads of one file that wait busily would slow those of the next.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=['CPUExecutionProvider']
        )
    except Exception as error:  # onnxruntime has one class a reason, of no common base
        raise ValueError(
            f'{path}: onnxruntime cannot open it ({str(error).splitlines()[0]}); give '
            'a whole file of export_onnx.py'
        ) from None
    stored = session.get_modelmeta().custom_metadata_map
    about = json.loads(stored.get(KEY, '{}'))
    if about.get('schema') not in SCHEMAS or about.get('kind') != kind:
        raise ValueError(
            f'{path}: its description has version {about.get("schema")}, '
            f'this runner reads {SCHEMAS} of {kind or "meshes"}; export it again, or '
            'use the run_onnx.py that came with the exporter'
        )
    return session, about


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
    if not (0 <= matrix[0, 2] + 0.5 <= width and 0 <= matrix[1, 2] + 0.5 <= height):
        text = f'the centre of K is outside the {width}x{height} pixels'
        print(f'warning: {text}; scale K as the picture was', file=sys.stderr)
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
        from PIL import Image, ImageOps, UnidentifiedImageError
    except ImportError:
        raise ValueError(
            f'{path}: without Pillow only .npy and .ppm can be read; pip '
            'install pillow, or convert it'
        ) from None
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
    except UnidentifiedImageError:
        raise ValueError(f'{path}: is not an image that Pillow reads') from None
    if upright.mode.startswith('I'):  # 16 bits of grey, of which the high byte counts
        grey = np.asarray(upright).astype(np.int64) >> 8
        return np.repeat(grey.clip(0, 255).astype(np.uint8)[..., None], 3, -1)
    if upright.mode in ('RGBA', 'LA', 'PA') or 'transparency' in upright.info:
        upright = upright.convert('RGBA')
        white = Image.new('RGBA', upright.size, (255,) * 4)
        upright = Image.alpha_composite(white, upright)
    return np.asarray(upright.convert('RGB'))


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Find hands with an exported model')
    add, numbers = parser.add_argument, dict(type=float, nargs=4)
    add('model', help='file of export_onnx.py')
    add('image', help='.npy, .ppm, or with Pillow any image')
    corners = dict(metavar=('X0', 'Y0', 'X1', 'Y1'), action='append')
    several = 'pixels; may be given several times; default: found, or the whole image'
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
        if args.out and not args.out.parent.is_dir():
            raise ValueError(f'there is no folder {args.out.parent}; make it first')
        runner = HandRunner(args.model)
        hands = runner(read_image(args.image), args.box, args.side, args.K)
    except (ValueError, OSError) as error:
        sys.exit(f'error: {error}')
    for hand in hands:
        wrist = ' '.join(f'{value:.3f}' for value in hand.translation)
        note = '' if hand.metric else ' of an assumed camera'
        print(f'{hand.side:<5} presence {hand.presence:.2f}, wrist at {wrist} m{note}')
    if not hands:
        print(f'{args.image}: no hand found')
    if args.out and hands:
        known = [name for name, value in vars(hands[0]).items() if value is not None]
        rows = {name: [getattr(hand, name) for hand in hands] for name in known}
        np.savez(args.out, **{name: np.stack(row) for name, row in rows.items()})


if __name__ == '__main__':
    main()
