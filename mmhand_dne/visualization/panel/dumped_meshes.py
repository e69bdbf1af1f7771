"""Another model's meshes, from a dump of its predictions."""

from pathlib import Path, PurePath

import numpy as np
import torch
from mmpose.structures import PoseDataSample
from torch import Tensor

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.dump_file import TEXT, DumpFile
from mmhand_dne.geometry.camera import ndc_to_pixels, pixels_to_ndc

from .crop_frame import square
from .mesh_views import MeshView

PRESENT = 0.5  # probability above which a hand is drawn
STRAIGHT = 1e-6  # of the scale: what rounding leaves of a rotation
FIELDS = ('pred/hand_vertices', 'pred/hand_camera')
META = ('meta/id', 'meta/img_path', 'meta/crop_affine', 'meta/input_size')


class DumpedMeshes:
    """The meshes of a file that ``tools/test.py --dump FILE.npz`` wrote.

    Images are found by their index in the data set, read as they are asked for. The
    other model may have read another crop of an image, as long as neither is rotated.

    Args:
        path: of the file; its stem is the title of the meshes.

    Raises:
        UserError: the file is missing, damaged, or no dump of meshes.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, dump = Path(path), DumpFile(path)
        absent = [key for key in (*FIELDS, *META) if key not in dump.fields]
        if absent:
            raise UserError(
                f'{path}: has no {absent[0]}; write it with tools/test.py --dump of a '
                'model that predicts meshes'
            )
        self.row_of = {
            int(index): row for row, index in enumerate(dump.column('order')[:, 0])
        }
        self.columns = {key: dump.column(key) for key in (*FIELDS, *META)}
        self.presence = None
        if 'pred/hand_presence' in dump.fields:
            self.presence = dump.column('pred/hand_presence')

    def view_of(self, sample: PoseDataSample, num_vertices: int) -> MeshView:
        """The meshes of one image, with cameras of this sample's crop.

        Args:
            sample: with ``sample_idx``, ``id``, ``img_path``, ``crop_affine`` and
                ``input_size``.
            num_vertices: V of the hand that draws them.

        Raises:
            UserError: the file has no such image, another one in its place, or a mesh
                of another hand.
        """
        row = self.row_of.get(int(sample.get('sample_idx', -1)))
        name = image_of(sample.get('id'), sample.get('img_path') or '')
        found = None if row is None else self._name(row)
        if found != name:
            raise UserError(
                f'{self.path}: entry {sample.get("sample_idx")} of its data set is '
                f'{found or "not there"}, this one is {name}; write it on the data set '
                'that is tested, all of it'
            )
        vertices, camera = (self._read(key, row) for key in FIELDS)
        if vertices.shape[-2] != num_vertices:
            raise UserError(
                f'{self.path}: its meshes have {vertices.shape[-2]} vertices, the hand '
                f'of this model {num_vertices}; compare models of the same hand'
            )
        present = torch.ones(len(vertices), dtype=torch.bool)
        if self.presence is not None:
            present = torch.from_numpy(self.presence[row] > PRESENT)
        return MeshView(
            self.path.stem, vertices, self._in_crop(camera, row, sample), present
        )

    def _name(self, row: int) -> str:
        path = bytes(self.columns['meta/img_path'][row]).decode(errors=TEXT)
        return image_of(self.columns['meta/id'][row], path)

    def _read(self, key: str, row: int) -> Tensor:
        return torch.from_numpy(np.array(self.columns[key][row], np.float32))

    def _in_crop(self, camera: Tensor, row: int, sample: PoseDataSample) -> Tensor:
        """A camera (2, 2, 2) of the other crop as one of this sample's crop."""
        theirs, ours = self.columns['meta/crop_affine'][row], sample.crop_affine
        change = square(ours) @ np.linalg.inv(square(theirs))
        if np.abs(change[[0, 1], [1, 0]]).max() > STRAIGHT * np.abs(change).max():
            raise UserError(
                f'{self.path}: its crop of {self._name(row)} is rotated against this '
                'one; test both models without rotation'
            )
        # Where 0 and 1 on each axis of the other crop lie in this one.
        ends = torch.tensor([[0.0, 0.0], [1.0, 1.0]], dtype=torch.float64)
        size = tuple(int(side) for side in self.columns['meta/input_size'][row])
        pixels = ndc_to_pixels(ends, size).numpy()
        pixels = pixels * np.diag(change)[:2] + change[:2, 2]
        low, high = pixels_to_ndc(torch.from_numpy(pixels), sample.input_size)
        scale, shift = camera.double().unbind(-1)
        moved = torch.stack([scale * (high - low), shift * (high - low) + low], -1)
        return moved.float()


def image_of(number: int, path: str) -> str:
    """An image by its annotation's number and its name, wherever the data set lies."""
    return f'{number} {PurePath(path).name}'
