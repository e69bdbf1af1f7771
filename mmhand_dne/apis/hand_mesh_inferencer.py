"""Hand meshes of images, in the shape of MMPose's inferencers."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import cached_property
from numbers import Integral, Real
from pathlib import Path
from threading import RLock

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import init_default_scope
from mmengine.runner.checkpoint import _load_checkpoint_to_model
from mmpose.apis.inferencers.base_mmpose_inferencer import BaseMMPoseInferencer
from mmpose.registry import INFERENCERS
from mmpose.structures import PoseDataSample
from torch import nn

from mmhand_dne.engine.hooks.checkpoint_match_hook import check_hand, what_differs
from mmhand_dne.engine.runner.training_record import caution_about
from mmhand_dne.errors import UserError
from mmhand_dne.fileio.progress import Progress
from mmhand_dne.geometry.precision import set_precision
from mmhand_dne.structures.hand_result import ImageResult

from .batching import ImageJob, in_batches
from .config_names import config_of, test_pipeline
from .crops import CropPipeline
from .image_saver import PictureSaver
from .inputs.box_choice import BoxChoice
from .inputs.detectors import PALM, Detector, build_detector, turner_beside
from .inputs.given_boxes import GivenBoxes, HandBox, check_box, check_side
from .inputs.intrinsics import Cameras, GivenCameras
from .inputs.sources import GIVEN, InputFrame, open_input
from .merge_crops import result_of
from .read_predictions import PredictionReader
from .result_writers import check_formats
from .result_writers.row_writer import rows_of
from .shipped_model import (
    REMEDY,
    are_shipped,
    check_files,
    shipped_files,
)

# MMEngine's registries and default scope are the program's, not a thread's.
BUILDING = RLock()
NOT_FOR_INFERENCE = ('discriminator.',)  # tensors that only training has


@INFERENCERS.register_module()
class HandMeshInferencer(BaseMMPoseInferencer):
    """Meshes, MANO parameters, cameras and error bars of the hands in images.

    Args:
        model: config: a path, the name of one of this package's, or a ``Config``. None
            takes the model that comes with the package, if ``weights`` is None too.
        weights: checkpoint, loaded as data only; one of another model is refused. None
            is enough for ``'dne_real'``, whose weights come with the package.
        device: such as 'cuda:0' or 'cpu'; None takes what there is.
        scope, show_progress: see MMPose's ``BaseMMPoseInferencer``.
        det_model, det_weights, det_cat_ids: where hands are, if no boxes are given:
            see :func:`build_detector`. None is 'palm', our own, which tells sides too,
            and models that know only upright crops, as the shipped one, how the hand
            in a given box lies; the whole image is a box only as 'whole_image'.
        flip_test: average with the un-mirrored prediction on the mirrored crop; None
            leaves it to the config. Not for models of one hand.
        output_maps: auxiliary maps too (``ImageResult.maps``).
        cfg_options: keys of the config to override, as of the tools' --cfg-options.
        precision: 'bf16' stores and runs the backbone with 16 bits, see
            :func:`set_precision`.

    Attributes:
        caution (str): what the checkpoint's metadata say against it, logged too, or ''.

    Called with an input it yields, image by image, ``dict(predictions=[result],
    visualization=[picture])``; :meth:`results` yields the typed results alone.

    Example:
        >>> hands = HandMeshInferencer()
        >>> for result in hands.results('photos/', batch_size=8):
        ...     print(result.source, [hand.side for hand in result.hands])
    """

    preprocess_kwargs = {'bbox_thr', 'nms_thr', 'bboxes', 'side', 'intrinsics'}
    forward_kwargs = {'presence_thr'}
    visualize_kwargs = {
        'return_vis',
        'show',
        'wait_time',
        'vis_out_dir',
        'kinds',
        'span',
    }
    postprocess_kwargs = {'pred_out_dir', 'formats'}

    def __init__(
        self,
        model: str | Path | Mapping | None = None,
        weights: str | Path | None = None,
        device: str | None = None,
        scope: str | None = 'mmpose',
        show_progress: bool = False,
        det_model: None | str | Path | dict = None,
        det_weights: str | Path | None = None,
        det_cat_ids: None | int | Sequence[int] = None,
        flip_test: bool | None = None,
        output_maps: bool = False,
        cfg_options: dict | None = None,
        precision: str = 'fp32',
    ) -> None:
        with BUILDING:
            model, weights = shipped_files(model, weights)
            cfg = config_of(model, cfg_options)
            test_cfg = dict(cfg.model.get('test_cfg') or {})
            if flip_test is not None:
                test_cfg['flip_test'] = flip_test
            test_cfg['output_maps'] = output_maps or test_cfg.get('output_maps', False)
            cfg.model.test_cfg = test_cfg
            self.weights = check_files(weights, device)
            self._device = device  # of a detector that is loaded later
            self._changed = sorted(cfg_options or {})  # keys of the config
            init_default_scope(scope or 'mmpose')
            super().__init__(cfg, self.weights, device, scope, show_progress)
            set_precision(self.model.backbone, precision)
            self.reader = PredictionReader(self.model)
            upright = self.pipeline.upright
            if det_model or det_weights or upright:
                self.detector = build_detector(
                    det_model or PALM, det_weights, det_cat_ids, device, upright
                )
            self.turner = turner_beside(self.detector, device) if upright else None

    @cached_property
    def detector(self) -> Detector | None:
        """Of :func:`build_detector`. If none is named it waits for the first image."""
        return build_detector(PALM, device=self._device)

    def _load_weights_to_model(
        self, model: nn.Module, checkpoint: dict, cfg: Config
    ) -> None:
        match = (cfg.get('default_hooks') or {}).get('checkpoint_match') or {}
        allowed = (*match.get('allow_unexpected', ()), *NOT_FOR_INFERENCE)
        problems = what_differs(model, checkpoint, allow_unexpected=allowed)
        if problems:
            if self._changed:
                cure = (
                    f'leave out the option {self._changed[0]}, if it changes the model'
                )
            elif are_shipped(cfg.filename, self.weights):
                cure = REMEDY
            else:
                cure = 'use the config it was trained with'
            raise UserError(
                f'the checkpoint {self.weights} is not of this model: '
                f'{"; ".join(problems)}; {cure}'
            )
        if not match.get('allow_other_hand'):
            check_hand(model, checkpoint, self.weights)
        self.caution = caution_about(checkpoint, self.weights)
        _load_checkpoint_to_model(model, checkpoint)

    def _init_pipeline(self, cfg: Config) -> CropPipeline:
        vertices = self.model.hand_model.template.shape[-2]
        return CropPipeline(test_pipeline(cfg), vertices, self.model.num_slots == 1)

    def _init_collate(self, cfg: Config) -> Callable:
        return pseudo_collate

    def _init_visualizer(self, cfg: Config) -> None:
        """Results are drawn by ``draw_result``, which needs no visualizer."""

    def __call__(
        self,
        inputs: GIVEN,
        return_datasamples: bool = False,
        batch_size: int = 1,
        out_dir: str | None = None,
        **kwargs: object,
    ) -> Iterator[dict]:
        """Yield ``dict(predictions, visualization)`` for each image, in order.

        Args:
            inputs: see :func:`open_input`.
            return_datasamples: predictions are the crops' data samples instead of one
                :class:`ImageResult`.
            batch_size: crops per forward; a batch crosses images.
            out_dir: ``vis_out_dir`` and ``pred_out_dir`` are folders in it.
            bboxes: see :class:`GivenBoxes`; before a detector's.
            side: of boxes that name none, and of the whole image: 'right', 'left' or
                'both'. A side that is given is taken for present. Of found boxes it
                replaces the side that the detector tells.
            bbox_thr, nms_thr: of the detector.
            intrinsics: camera of all images, or of each, see :func:`read_cameras`.
            presence_thr: hands less probable are left out.
            return_vis, show, wait_time, vis_out_dir: pictures as of MMPose; a video's
                go into a video. A camera's are always shown; without a display none
                are, which is said.
            kinds, span: of :func:`draw_result`; the first kind is what is returned or
                shown.
            pred_out_dir, formats: files about each image, see
                :mod:`mmhand_dne.apis.result_writers`; JSON of a video is one file of
                rows, see :mod:`mmhand_dne.apis.result_writers.row_writer`.
        """
        if out_dir is not None:
            kwargs.setdefault('vis_out_dir', str(Path(out_dir) / 'visualizations'))
            kwargs.setdefault('pred_out_dir', str(Path(out_dir) / 'predictions'))
        before, during, drawing, after = self._dispatch_kwargs(**kwargs)
        source = open_input(inputs)
        batch_size = 1 if source.is_live else batch_size
        if drawing.get('show') or source.is_live:
            from .result_drawing import can_show

            drawing['show'] = can_show(True)
        folder = drawing.get('vis_out_dir')
        written = after.get('pred_out_dir')
        formats = check_formats(after.get('formats', ('json',)))
        rows = rows_of(source, written, formats) if written else None
        after['formats'] = rows.others if rows else formats
        with (
            PictureSaver(folder, source) if folder else nullcontext() as saver,
            rows or nullcontext(),
        ):
            before['in_time'] = source.is_video
            jobs = self.run(source, batch_size, count=len(source), **before)
            for job in self._tracked(jobs, len(source)):
                result = self.result_of(job, **during)
                pictures = self.visualize([job.frame], [result], saver=saver, **drawing)
                if rows:
                    rows.add(result, job.frame.time)
                samples = job.samples if return_datasamples else None
                yield self.postprocess(
                    [result], pictures, samples, name=job.frame.name, **after
                )

    def results(
        self, inputs: GIVEN, batch_size: int = 1, **kwargs: object
    ) -> Iterator[ImageResult]:
        """Yield the typed result of each image; arguments as of calling it."""
        for found in self(inputs, batch_size=batch_size, **kwargs):
            yield found['predictions'][0]

    def _tracked(self, jobs: Iterator[ImageJob], count: int) -> Iterator[ImageJob]:
        """The same jobs, with a bar if asked for."""
        if not self.show_progress:
            yield from jobs
            return
        with Progress(count or None, 'finding hands') as bar:
            for job in jobs:
                yield job
                bar.update()

    def run(
        self,
        frames: Iterable[InputFrame],
        batch_size: int = 1,
        count: int = 0,
        **kwargs: object,
    ) -> Iterator[ImageJob]:
        """Run the model over images; for callers that choose them.

        Args:
            count: number of images of the input, for ``bboxes``; 0: not known.
            kwargs: of :meth:`preprocess`.
        """
        if not isinstance(batch_size, Integral) or batch_size < 1:
            raise UserError(
                f'batch_size is {batch_size!r}, expected a whole number of 1 or more'
            )
        jobs = self.preprocess(frames, count=count, **kwargs)
        return in_batches(jobs, batch_size, self.forward)

    def preprocess(
        self,
        inputs: Iterable[InputFrame],
        count: int = 0,
        bboxes: str | Path | Sequence | Mapping | np.ndarray | None = None,
        side: str | None = None,
        intrinsics: GivenCameras = None,
        bbox_thr: float = 0.3,
        nms_thr: float = 0.3,
        in_time: bool = False,
    ) -> Iterator[ImageJob]:
        """Cut the crops of each image; arguments as of calling the inferencer.

        Args:
            in_time: the images are successive frames of a video.
        """
        check_side(side)
        check_share(bbox_thr=bbox_thr, nms_thr=nms_thr)
        cameras = Cameras(intrinsics, count)
        given = None if bboxes is None else GivenBoxes(bboxes, count, side)
        detector = self.detector if given is None else None
        choice = BoxChoice(
            given, detector, side, bbox_thr, nms_thr, self.turner, in_time
        )
        for frame in inputs:
            job = ImageJob(frame, detected=choice.detects, metric=cameras.known)
            if frame.image is None:
                job.notes.append(frame.problem)
            else:
                boxes, note = choice(frame)
                job.notes += [note] if note else []
                self._cut(job, boxes, cameras)
            yield job

    def _cut(self, job: ImageJob, boxes: list[HandBox], cameras: Cameras) -> None:
        """Add the crops of an image to its job, and notes of boxes that have none."""
        image, source = job.frame.image, job.frame.source
        size = image.shape[1::-1]
        matrix = cameras.of(job.frame.index, source, size)
        problems = [check_box(box, size) for box in boxes]
        job.notes += [f'{source}: {problem}' for problem in problems if problem]
        boxes = [box for box, problem in zip(boxes, problems) if not problem]
        for box in boxes:
            job.crops += self.pipeline.crops(
                image, box, matrix, source, one_each=len(boxes) > 1
            )

    @torch.no_grad()
    def forward(self, inputs: list[dict], **kwargs: object) -> list[PoseDataSample]:
        """The data samples of some crops, with predictions."""
        return self.model.test_step(self.collate_fn(inputs))

    def result_of(self, job: ImageJob, presence_thr: float = 0.5) -> ImageResult:
        """The typed result of an image whose crops have been predicted.

        Raises UserError where ``presence_thr`` is no probability.
        """
        check_share(presence_thr=presence_thr)
        return result_of(job, self.reader, presence_thr)

    def visualize(
        self,
        inputs: list[InputFrame],
        preds: list[ImageResult],
        return_vis: bool = False,
        show: bool = False,
        wait_time: float = 0,
        vis_out_dir: str = '',
        kinds: str | Sequence[str] = ('overlay',),
        saver: PictureSaver | None = None,
        span: float | None = None,
    ) -> list[np.ndarray]:
        """Draw, show and save results; returns the pictures (H, W, 3) RGB if asked."""
        if not (return_vis or show or saver):
            return []
        from .result_drawing import check_kinds, draw_frame, show_picture

        kinds = check_kinds(self.model, kinds)
        pictures = []
        for frame, result in zip(inputs, preds):
            drawn = draw_frame(frame, result, kinds, span=span)
            if saver is not None:
                saver.add(frame, drawn)
            pictures.append(next(iter(drawn.values()), None))
            if show and drawn:
                show_picture(pictures[-1], frame.source, wait_time)
        return pictures if return_vis else []

    def postprocess(
        self,
        preds: list[ImageResult],
        visualization: list[np.ndarray],
        samples: list[PoseDataSample] | None = None,
        pred_out_dir: str = '',
        formats: str | Sequence[str] = ('json',),
        name: str = '',
    ) -> dict:
        """Write the files about an image and hand over what was found."""
        if pred_out_dir:
            from .result_writers import write

            for result in preds:
                write(result, pred_out_dir, formats, name)
        return dict(
            predictions=preds if samples is None else samples,
            visualization=visualization,
        )


def check_share(**values: object) -> None:
    """Refuse thresholds that are no number from 0 to 1; names the first."""
    for name, value in values.items():
        if not isinstance(value, Real) or not 0 <= value <= 1:
            raise UserError(f'{name} is {value!r}, expected a number from 0 to 1')
