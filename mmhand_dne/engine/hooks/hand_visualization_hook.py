"""Pictures of predictions while a model is tested or validated."""

import os.path as osp
from collections.abc import Sequence

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmengine.utils import mkdir_or_exist
from mmengine.visualization import Visualizer
from mmpose.registry import HOOKS, VISUALIZERS
from mmpose.structures import PoseDataSample
from torch import Tensor

from mmhand_dne.errors import UserError
from mmhand_dne.visualization.panel.dumped_meshes import DumpedMeshes

from ..runner.distributed import unwrapped
from ..runner.shared_hand import hand_of_model

CHANNEL_ORDERS = ('bgr', 'rgb')


@HOOKS.register_module()
class HandVisualizationHook(Hook):
    """Draws the panels of ``HandMeshVisualizer`` from the batch's own crops.

    In a test it draws every ``interval``-th image of the main process and asks the
    model for its auxiliary maps; in a validation it draws the first image of every
    ``interval``-th batch, without maps. With ``out_dir`` the pictures are files named
    after the sample (``326750_image69148.png``), otherwise they go to the visual back
    ends.

    Args:
        enable: draw at all; ``--show`` and ``--show-dir`` of the test tool set it.
        interval: images (test) or batches (validation) from one picture to the next.
        max_images: pictures a test draws; None for no limit.
        show: open a window for each picture instead of storing it.
        wait_time: seconds for which a window stays.
        out_dir: folder of a test's pictures; a relative one is below the run's folder,
            ``work_dir/timestamp``, as in MMPose.
        channel_order: ``bgr`` or ``rgb``, of the batch's images; ``LoadImage`` gives
            bgr.
        compare: predictions of another model on the same data set, a file of
            ``tools/test.py --dump OTHER.npz``; a test draws its meshes beside the
            model's own, under the file's name (DNE Figure 3).
    """

    def __init__(
        self,
        enable: bool = False,
        interval: int = 50,
        max_images: int | None = 100,
        show: bool = False,
        wait_time: float = 0.0,
        out_dir: str | None = None,
        channel_order: str = 'bgr',
        compare: str | None = None,
    ) -> None:
        if channel_order not in CHANNEL_ORDERS:
            raise UserError(
                f'unknown channel_order {channel_order!r}; choose from '
                f'{sorted(CHANNEL_ORDERS)}'
            )
        if interval < 1:
            raise UserError(f'interval is {interval}, expected 1 or more images')
        self.enable = enable
        self.interval = interval
        self.max_images = max_images
        self.show = show
        self.wait_time = wait_time
        self.out_dir = out_dir
        self.channel_order = channel_order
        self.compare = compare
        self._others: DumpedMeshes | None = None
        self._seen = 0
        self._drawn = 0
        self._output_maps: bool | None = None  # the model's own, during a test
        self._folder: str | None = None

    def before_test(self, runner: Runner) -> None:
        """Make the folder and let the model return its maps."""
        if not self.enable:
            return
        self._seen = self._drawn = 0
        if self.compare is not None:
            self._others = DumpedMeshes(self.compare)
        test_cfg = _test_cfg(runner)
        self._output_maps = test_cfg.get('output_maps', False)
        test_cfg['output_maps'] = True
        if self.out_dir is not None:
            root = osp.join(runner.work_dir, runner.timestamp)
            self._folder = osp.join(root, self.out_dir)
            mkdir_or_exist(self._folder)

    def after_test(self, runner: Runner) -> None:
        """Give the model its own switch back, and say where the pictures are."""
        if not self.enable:
            return
        _test_cfg(runner)['output_maps'] = self._output_maps
        self._others = None  # of another set than a validation's
        if self._folder is not None:
            runner.logger.info(f'{self._drawn} pictures in {self._folder}')

    def after_test_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict,
        outputs: Sequence[PoseDataSample],
    ) -> None:
        """Draw the batch's images whose turn it is."""
        if not self.enable or not is_main_process():
            return
        for image, sample in zip(data_batch['inputs'], outputs):
            full = self.max_images is not None and self._drawn >= self.max_images
            if self._seen % self.interval == 0 and not full:
                file = None
                if self._folder is not None and not self.show:
                    file = osp.join(self._folder, picture_name(sample, self._seen))
                self._draw(runner, image, sample, 'test_img', self._seen, file)
                self._drawn += 1
            self._seen += 1

    def after_val_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: dict,
        outputs: Sequence[PoseDataSample],
    ) -> None:
        """Draw the first image of every ``interval``-th batch."""
        if self.enable and is_main_process() and batch_idx % self.interval == 0:
            name = f'val_img/{batch_idx}'
            image, sample = data_batch['inputs'][0], outputs[0]
            self._draw(runner, image, sample, name, runner.iter, None)

    def _draw(
        self,
        runner: Runner,
        image: Tensor,
        sample: PoseDataSample,
        name: str,
        step: int,
        out_file: str | None,
    ) -> None:
        visualizer = _visualizer()
        faces = hand_of_model(runner.model).faces
        visualizer.set_faces(faces)
        others = []
        if self._others is not None:
            others.append(self._others.view_of(sample, int(faces.max()) + 1))
        visualizer.add_datasample(
            name,
            crop_from_input(image, self.channel_order),
            sample,
            show=self.show,
            wait_time=self.wait_time,
            out_file=out_file,
            step=step,
            frame='crop',
            others=others,
        )


def crop_from_input(image: Tensor, channel_order: str) -> np.ndarray:
    """The crop (h, w, 3) uint8 RGB of a not yet normalised input (3, h, w)."""
    pixels = image.detach().cpu().numpy().transpose(1, 2, 0)
    pixels = pixels.clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(pixels[..., ::-1] if channel_order == 'bgr' else pixels)


def picture_name(sample: PoseDataSample, index: int) -> str:
    """File name from the annotation's id (or the index) and the image's name."""
    stem = osp.splitext(osp.basename(sample.get('img_path') or 'image'))[0]
    return f'{sample.get("id", index)}_{stem}.png'


def _test_cfg(runner: Runner) -> dict:
    """The model's test settings, a dict that can be changed."""
    model = unwrapped(runner.model)
    if model.test_cfg is None:
        model.test_cfg = {}
    return model.test_cfg


def _visualizer() -> Visualizer:
    """The current visualizer, which has to be ours."""
    visualizer = Visualizer.get_current_instance()
    if not isinstance(visualizer, VISUALIZERS.get('HandMeshVisualizer')):
        raise UserError(
            f'the visualizer is {type(visualizer).__name__}, but HandVisualizationHook '
            'draws with HandMeshVisualizer; set visualizer=dict('
            "type='HandMeshVisualizer', ...) in the config"
        )
    return visualizer
