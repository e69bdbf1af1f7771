"""What a report page embeds: arrays of the 3D view, pictures and files."""

import base64
import hashlib
import mimetypes

import cv2
import numpy as np
from markupsafe import Markup

from mmhand_dne.conventions import NUM_JOINTS
from mmhand_dne.structures.hand_result import HandResult, ImageResult
from mmhand_dne.visualization.canvas.drawing import bones
from mmhand_dne.visualization.canvas.uncertainty_colors import color_scale
from mmhand_dne.visualization.results.hand_uncertainty import (
    ellipsoid_axes,
    hand_deviation,
    unit_sphere,
    usable_joints,
)
from mmhand_dne.visualization.results.result_views import (
    hand_color,
    hand_names,
    hand_wrists,
)

from .joint_words import joint_words

JPEG_QUALITY = 82
MIME_TYPES = {
    '.glb': 'model/gltf-binary',
    '.obj': 'model/obj',
    '.json': 'application/json',
    '.ply': 'model/mesh',
    '.npz': 'application/zip',
}


class SceneStore:
    """The 3D data of a page's images; faces that many hands share are stored once."""

    def __init__(self) -> None:
        self.faces: dict[str, str] = {}

    def scene(self, result: ImageResult) -> dict:
        """One image's hands for the page's script.

        Returns: ``known`` (whether any hand has error bars), ``remark`` on the
            distances, and ``hands``. A hand has ``name``, ``side``, ``color``,
            ``faces`` (a key of ``self.faces``), ``label`` (3,) metres, ``vertices`` (V,
            3) and ``joints`` (21, 3) float32 metres, in camera axes from the first
            wrist, ``deviation`` (V,) and ``joint_stds`` (21,) float32 mm or None, and
            of its ellipsoids ``centers`` (K, 3) and ``axes`` (K, 3, 3) float32 metres,
            and ``stds`` (K,) float32 mm.
        """
        hands = result.hands
        wrists, remark = hand_wrists(hands)
        return dict(
            known=any(hand.joint_std is not None for hand in hands),
            remark=remark,
            hands=[
                self._hand(hand, name, wrist)
                for hand, name, wrist in zip(hands, hand_names(result), wrists)
            ],
        )

    def shared(self, span: float | None) -> dict:
        """What all scenes use; ask for it when the last is made.

        Args:
            span: end of the page's legend, millimetres; None without error bars.
        """
        points, faces = unit_sphere()
        return dict(
            faces=self.faces,
            sphere=dict(points=pack(points), faces=pack(faces, np.uint16)),
            colors=color_scale(),
            span=span,
            bones=bones(),
            joints=[joint_words(joint) for joint in range(NUM_JOINTS)],
        )

    def _hand(self, hand: HandResult, name: str, wrist: np.ndarray) -> dict:
        faces = pack(hand.faces, np.uint16)
        key = hashlib.sha256(faces.encode()).hexdigest()[:12]
        self.faces[key] = faces
        return dict(
            name=name,
            side=hand.side,
            color='#' + bytes(hand_color(hand)).hex(),
            faces=key,
            label=[round(float(value), 5) for value in _beyond(hand) + wrist],
            vertices=pack(hand.vertices + wrist),
            joints=pack(hand.joints + wrist),
            joint_stds=None if hand.joint_std is None else pack(hand.joint_std),
            deviation=_deviation(hand),
            **_ellipsoids(hand, wrist),
        )


def pack(array: np.ndarray, dtype: type = np.float32) -> str:
    """An array's little-endian bytes in base64."""
    data = np.ascontiguousarray(array, np.dtype(dtype).newbyteorder('<'))
    return base64.b64encode(data.tobytes()).decode('ascii')


def picture_uri(picture: np.ndarray, longest: int | None = None) -> Markup:
    """A picture (h, w, 3) uint8 RGB as JPEG, shrunk to ``longest`` pixels if larger."""
    scale = 1.0 if longest is None else longest / max(picture.shape[:2])
    if scale < 1:
        height, width = (max(1, round(scale * side)) for side in picture.shape[:2])
        picture = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    flags = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    picture = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode('.jpg', picture, flags)
    return _uri('image/jpeg', data.tobytes())


def file_uri(name: str, data: bytes) -> Markup:
    """A file's bytes as a data URI of the type that its name tells."""
    suffix = '.' + name.rsplit('.', 1)[-1].lower()
    kind = MIME_TYPES.get(suffix) or mimetypes.guess_type(name)[0]
    return _uri(kind or 'application/octet-stream', data)


def _uri(kind: str, data: bytes) -> Markup:
    """Of base64 nothing has to be escaped."""
    content = Markup(base64.b64encode(data).decode('ascii'))
    return Markup('data:{};base64,{}').format(kind, content)


def _beyond(hand: HandResult) -> np.ndarray:
    """A point (3,) beyond the wrist, as seen from the other joints, metres."""
    return hand.joints[0] + 0.5 * (hand.joints[0] - hand.joints[1:].mean(axis=0))


def _deviation(hand: HandResult) -> str | None:
    deviation = hand_deviation(hand)
    return None if deviation is None else pack(deviation)


def _ellipsoids(hand: HandResult, wrist: np.ndarray) -> dict:
    if hand.joint_covariance is None or hand.joint_std is None:
        return dict(centers=None, axes=None, stds=None)
    usable = usable_joints(hand.joint_covariance)
    return dict(
        centers=pack(hand.joints[usable] + wrist),
        axes=pack(ellipsoid_axes(hand.joint_covariance[usable])),
        stds=pack(hand.joint_std[usable]),
    )
