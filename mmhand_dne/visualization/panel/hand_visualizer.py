"""MMEngine visualizer of hand meshes and auxiliary maps."""

from collections.abc import Sequence

import mmcv
import numpy as np
import torch
from mmengine.dist import master_only
from mmpose.registry import MODELS, VISUALIZERS
from mmpose.structures import PoseDataSample
from mmpose.visualization import PoseLocalVisualizer
from torch import Tensor

from mmhand_dne.structures.hand_targets import HandTargets

from .crop_frame import crop_of
from .mesh_panel import draw_panel
from .mesh_views import MeshView, PanelScene


@VISUALIZERS.register_module()
class HandMeshVisualizer(PoseLocalVisualizer):
    """Draws one image's input, meshes and maps as one labelled panel.

    First row: the input crop, coarse mesh, refined mesh by the coarse camera and by the
    corrected one, other models' meshes, ground truth, the refined mesh from the side.
    Second row: auxiliary maps and predicted joints. What the data sample lacks is left
    out. The right hand is blue, the left orange. ``add_datasample(..., panel=False)``
    draws MMPose's own skeletons.

    Args:
        hand_model: config of the ``HandPair`` whose faces the meshes have. Who has the
            model at hand calls ``set_faces`` instead, as ``HandVisualizationHook``
            does.
        tile: side of one picture of the panel, pixels.
        presence_thr: probability above which a predicted hand is drawn.
        other arguments: see ``PoseLocalVisualizer``.

    Example:
        >>> visualizer = HandMeshVisualizer()
        >>> visualizer.add_datasample('0', crop, sample, frame='crop',
        ...                           out_file='0.png')  # doctest: +SKIP
    """

    def __init__(
        self,
        name: str = 'visualizer',
        *args,
        hand_model: dict | None = None,
        tile: int = 320,
        presence_thr: float = 0.5,
        **kwargs,
    ) -> None:
        super().__init__(name, *args, **kwargs)
        self.hand_model = hand_model or dict(type='HandPair', source='cc0')
        self.tile = tile
        self.presence_thr = presence_thr
        self._faces: Tensor | None = None

    @property
    def faces(self) -> Tensor:
        """(2, F, 3) int64 of the right and the left mesh."""
        if self._faces is None:
            self.set_faces(MODELS.build(self.hand_model).faces)
        return self._faces

    def set_faces(self, faces: Tensor) -> None:
        """Take the faces (2, F, 3) of the hand model in use."""
        self._faces = faces.detach().cpu().long()

    @master_only
    def add_datasample(
        self,
        name: str,
        image: np.ndarray,
        data_sample: PoseDataSample,
        draw_gt: bool = True,
        draw_pred: bool = True,
        show: bool = False,
        wait_time: float = 0,
        out_file: str | None = None,
        step: int = 0,
        frame: str = 'original',
        panel: bool = True,
        others: Sequence[MeshView] = (),
        **skeleton_options,
    ) -> np.ndarray:
        """Draw one image and show it, write it, or give it to the back ends.

        Args:
            name: of the picture in the back ends.
            image: (h, w, 3) uint8 RGB.
            data_sample: of this image, with ``input_size``, and with ``crop_affine``
                where the image is the original one.
            draw_gt: draw the ground truth where the sample has it.
            draw_pred: draw the predictions where the sample has them.
            show: open a window; nothing is then stored.
            wait_time: seconds the window stays; 0 waits for a key.
            out_file: file to write instead of the back ends.
            step: of the back ends.
            frame: whether ``image`` is the ``original`` (MMPose's meaning) or the
                ``crop``.
            panel: False draws MMPose's skeletons on the original image instead.
            others: other models' meshes of this crop, :class:`DumpedMeshes`.
            skeleton_options: of ``PoseLocalVisualizer.add_datasample``; a panel has
                none of them.
        Returns: (h, w, 3) uint8 RGB.
        Raises:
            ValueError: if ``frame`` is unknown or the crop cannot be found.
        """
        if not panel:
            return super().add_datasample(
                name,
                image,
                data_sample,
                draw_gt,
                draw_pred,
                show=show,
                wait_time=wait_time,
                out_file=out_file,
                step=step,
                **skeleton_options,
            )
        crop = crop_of(image, data_sample, frame)
        picture = self._panel(name, crop, data_sample, draw_gt, draw_pred, others)
        self.set_image(picture)
        if show:
            self.show(picture, win_name=name, wait_time=wait_time)
        elif out_file is not None:
            mmcv.imwrite(picture[..., ::-1], out_file)
        else:
            self.add_image(name, picture, step)
        return picture

    def _panel(
        self,
        name: str,
        crop: np.ndarray,
        data_sample: PoseDataSample,
        draw_gt: bool,
        draw_pred: bool,
        others: Sequence[MeshView],
    ) -> np.ndarray:
        return draw_panel(
            self._scene(crop, data_sample, draw_gt),
            data_sample.get('pred_instances') if draw_pred else None,
            data_sample.get('pred_fields') if draw_pred else None,
            self.presence_thr,
            title=f'input {data_sample.get("id", name)}',
            others=others,
        )

    def _scene(
        self, crop: np.ndarray, data_sample: PoseDataSample, draw_gt: bool
    ) -> PanelScene:
        labels = data_sample.get('gt_instance_labels')
        known = labels is not None and 'crop_intrinsics' in labels
        intrinsics = labels.crop_intrinsics[0] if known else None
        return PanelScene(
            crop=crop,
            faces=self.faces,
            tile=self.tile,
            gt=ground_truth_of(data_sample) if draw_gt else None,
            intrinsics=torch.as_tensor(intrinsics).float().cpu() if known else None,
        )


def ground_truth_of(data_sample: PoseDataSample) -> HandTargets | None:
    """The ground truth of one image, or None where the sample has none."""
    labels = data_sample.get('gt_instance_labels')
    if labels is None or 'hand_vertices' not in labels:
        return None
    return HandTargets.from_samples([data_sample], torch.device('cpu'))
