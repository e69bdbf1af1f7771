"""Hands of images, a video or a camera: meshes, parameters, pictures, a report.

Examples::

    python tools/demo.py photo.jpg --vis --save json glb
    python tools/demo.py photos/ --bboxes boxes.json --report
    python tools/demo.py clip.mp4 --vis --smooth kalman
    python tools/demo.py webcam:0 --show
    python tools/demo.py photos/ CONFIG CHECKPOINT --detector palm

Without CONFIG and CHECKPOINT it is the model that comes with the package. What is done
is kept: the same command continues a run that was stopped. Another command has a folder
of its own.
"""

import argparse
import gc
import hashlib
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

# Read when torch is loaded: threads that wait busily slow these small networks twenty
# times where another program uses a core.
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
# Likewise: ffmpeg writes a line a frame about what our own sentence says.
os.environ.setdefault('OPENCV_FFMPEG_LOGLEVEL', '-8')

from mmhand_dne.cli.arguments import add_config_options, share
from mmhand_dne.errors import UserError
from mmhand_dne.late_imports import late_imports

FORMATS = ('json', 'npz', 'obj', 'ply', 'glb', 'pkl-smplx')
KINDS = ('overlay', 'side', 'uncertainty', 'coarse_refined')
MAPS = 'maps'
OUT = 'demo_out'  # folder of runs that name none


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'input', help="image, folder, 'pattern*', video, GIF or webcam:0"
    )
    parser.add_argument(
        'config',
        nargs='?',
        help='config file, or the name of one of ours; default: the shipped model',
    )
    parser.add_argument('checkpoint', nargs='?', help="the config's checkpoint file")
    _add_output_flags(parser)
    _add_input_flags(parser)
    _add_model_flags(parser)
    return parser.parse_args(argv)


def _add_output_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--out-dir',
        help=f"default: {OUT}/NAME, NAME being the input's; another command about it "
        'gets NAME-2',
    )
    parser.add_argument(
        '--save',
        nargs='+',
        default=['json'],
        metavar='FORMAT',
        help=f'{", ".join(FORMATS)}, or none; default: json',
    )
    parser.add_argument(
        '--vis',
        nargs='*',
        metavar='KIND',
        help=f'pictures: {", ".join((*KINDS, MAPS))}; without a '
        'kind those of the first four that the model can give. Of a video the first '
        'kind, as a video',
    )
    parser.add_argument(
        '--report',
        action='store_true',
        help='one page, report.html, that works offline',
    )
    parser.add_argument(
        '--frame-files',
        action='store_true',
        help='of a video, JSON of each frame with its meshes; else one file with a row '
        'a frame',
    )
    parser.add_argument('--show', action='store_true', help='pictures in a window')
    parser.add_argument(
        '--overwrite',
        action='store_true',
        help='forget what an earlier run wrote into --out-dir',
    )


def _add_input_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--bboxes',
        help='JSON: {"photo.jpg": [[x0, y0, x1, y1], '
        '{"box": [...], "side": "left", "angle": 20}]}, or a list with '
        'an entry per image; default: what the detector finds',
    )
    parser.add_argument(
        '--side',
        choices=['right', 'left', 'both'],
        help='of boxes that name none, and instead of what a detector says; models of '
        'one hand need it where nothing else tells it',
    )
    parser.add_argument(
        '--detector',
        '--det-model',
        dest='detector',
        help='palm (our own, which tells sides too), mediapipe, whole_image, or a '
        'config of MMDetection; default: palm',
    )
    parser.add_argument('--det-weights', help="the detector's checkpoint")
    parser.add_argument(
        '--det-cat-ids',
        type=int,
        nargs='+',
        default=[0],
        help='its categories that are hands; default: 0',
    )
    parser.add_argument(
        '--bbox-thr',
        type=share,
        default=0.3,
        help="the least score of a palm, or of another detector's box; default: 0.3. "
        'Where no hand is found so, less sure palms are taken, unless it is higher',
    )
    parser.add_argument(
        '--nms-thr',
        type=share,
        default=0.3,
        help='boxes of MMDetection or MediaPipe that overlap by more are one; default: '
        '0.3',
    )
    parser.add_argument(
        '--K',
        nargs='+',
        metavar='NUMBER',
        help='camera: fx fy cx cy in pixels, or a file with them or with a 3x3 '
        'matrix, or JSON with one for each image; makes translations metric',
    )


def _add_model_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--flip-test',
        action='store_true',
        help='average with the prediction on the mirrored crop',
    )
    parser.add_argument(
        '--presence-thr',
        type=share,
        default=0.5,
        help='leave out hands less probable; default: 0.5',
    )
    parser.add_argument(
        '--smooth',
        choices=['kalman', 'one_euro'],
        help='smooth the hands of a video in time',
    )
    parser.add_argument(
        '--precision',
        choices=['fp32', 'bf16'],
        default='fp32',
        help='bf16 stores and runs the backbone with 16 bits: half the memory of a '
        'large one, and up to three times the speed where the processor can; default: '
        'fp32',
    )
    parser.add_argument('--device', help='cpu, cuda:0, ...; default: what there is')
    parser.add_argument(
        '--threads',
        type=int,
        help='default: as many as cores are free, or OMP_NUM_THREADS',
    )
    parser.add_argument('--batch-size', type=int, default=8, help='crops; default: 8')
    add_config_options(parser)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports
    # What they make stays: looking through it for garbage takes a tenth of their time.
    gc.disable()
    with late_imports():  # what only a training or a drawing needs
        import mmhand_dne.apis  # noqa: F401

import cv2
import torch

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.config_names import config_of
from mmhand_dne.apis.demo_run import DemoRun
from mmhand_dne.apis.free_threads import free_threads
from mmhand_dne.apis.inputs.intrinsics import GivenCameras, read_cameras
from mmhand_dne.apis.inputs.sources import open_input
from mmhand_dne.apis.result_drawing import check_kinds, possible_kinds
from mmhand_dne.apis.result_writers import check_formats
from mmhand_dne.apis.run_record import (
    STAMPS,
    RunRecord,
    check_inputs_apart,
    own_folder,
    stamp,
)
from mmhand_dne.apis.shipped_model import SHIPPED_CONFIG, SHIPPED_WEIGHTS
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.fileio.portable import keep_memory
from mmhand_dne.hand_model.mano_source import CC0, hand_files

UNREAD = 1  # exit status where something that was asked for could not be decoded
STOPPED = 130  # exit status of a command that Ctrl-C ended


def settings_of(args: argparse.Namespace) -> dict:
    """What the files depend on: options, and hashes of what files say."""
    files = {
        name: stamp(value)
        for name in ('checkpoint', 'bboxes', 'detector', 'det_weights')
        if (value := getattr(args, name))
    }
    if args.K and len(args.K) == 1:
        files['K'] = stamp(args.K[0])
    if not args.checkpoint:
        files['shipped'] = stamp(str(SHIPPED_WEIGHTS))
    config = config_of(args.config or SHIPPED_CONFIG, args.cfg_options)
    hand = (config.model.get('hand_model') or {}).get('source', CC0)
    files.update({path.name: stamp(str(path)) for path in hand_files(hand)})
    files['config'] = hashlib.sha256(repr(config.to_dict()).encode()).hexdigest()
    free = 'out_dir show device threads batch_size overwrite report'.split()
    options = {name: value for name, value in vars(args).items() if name not in free}
    return {**options, STAMPS: files}


def kinds_of(args: argparse.Namespace) -> tuple[str, ...]:
    """The kinds of pictures that --vis asks for."""
    kinds = () if args.vis is None else tuple(args.vis or KINDS)
    unknown = sorted(set(kinds) - {*KINDS, MAPS})
    if unknown:
        raise UserError(
            f'--vis {unknown[0]}: no such picture; choose from '
            f'{", ".join((*KINDS, MAPS))}'
        )
    return kinds


def camera_of(args: argparse.Namespace) -> GivenCameras:
    """What --K gives, as a file or as numbers: see :func:`read_cameras`."""
    if not args.K:
        return None
    if len(args.K) == 1:
        return read_cameras(args.K[0])
    try:
        numbers = [float(number) for number in args.K]
    except ValueError as error:
        raise UserError(
            f'--K {" ".join(args.K)}: expected four numbers fx fy cx cy in pixels, or '
            'one file'
        ) from error
    return read_cameras(numbers)


def build_inferencer(
    args: argparse.Namespace, kinds: tuple[str, ...]
) -> HandMeshInferencer:
    """The model, with the detector that the flags name."""
    return HandMeshInferencer(
        args.config,
        args.checkpoint,
        args.device,
        det_model=args.detector,
        det_weights=args.det_weights,
        det_cat_ids=args.det_cat_ids,
        flip_test=args.flip_test or None,
        output_maps=MAPS in kinds,
        cfg_options=args.cfg_options,
        precision=args.precision,
    )


def drawable(
    inferencer: HandMeshInferencer, args: argparse.Namespace, kinds: tuple[str, ...]
) -> tuple[str, ...]:
    """The kinds that the model can give; one that was named has to be among them."""
    if args.vis:
        check_kinds(inferencer.model, kinds)
    return possible_kinds(inferencer.model, kinds)


def check_report() -> None:
    """Refuse a report without what it needs, before anything is computed for it."""
    try:
        from mmhand_dne.visualization.report import check_report
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f'--report needs {error.name}, which is not installed; pip install '
            "'mmhand_dne[report]'"
        ) from error
    check_report()


def use_threads(count: int | None) -> None:
    """Compute with so many threads; None: with as many as cores are free."""
    if count is not None and count < 1:
        raise UserError(f'--threads {count}: expected 1 or more')
    count = count or free_threads()
    torch.set_num_threads(count)
    cv2.setNumThreads(count)


def prepare(args: argparse.Namespace) -> DemoRun:
    """Check everything that a user can get wrong, then build the model."""
    formats = check_formats([] if args.save == ['none'] else args.save)
    kinds = kinds_of(args)
    if args.report:
        check_report()
    source = open_input(args.input)
    if args.smooth and not (source.is_video and not source.is_live):
        raise UserError(f'--smooth needs a video, but {args.input} is none')
    where = dict(
        bboxes=args.bboxes,
        side=args.side,
        intrinsics=camera_of(args),
        bbox_thr=args.bbox_thr,
        nms_thr=args.nms_thr,
    )
    settings = settings_of(args)
    folder = args.out_dir
    if folder is None:
        folder = own_folder(OUT, args.input, settings, fresh=source.is_live)
    if not source.is_video and not os.path.isfile(args.input):
        check_inputs_apart(source.sources, folder)
    record = RunRecord(folder, settings, args.overwrite)
    try:
        inferencer = build_inferencer(args, kinds)
        return DemoRun(
            inferencer,
            source,
            record,
            formats,
            drawable(inferencer, args, kinds),
            where,
            batch_size=args.batch_size,
            presence_thr=args.presence_thr,
            smoothing=args.smooth,
            show=args.show,
            report=args.report,
            frame_files=args.frame_files,
        )
    except BaseException:
        record.close()
        raise


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    # A file's name may hold bytes that are no letters here.
    if hasattr(sys.stdout, 'reconfigure'):  # not in a notebook
        sys.stdout.reconfigure(errors='backslashreplace')
    with plain_errors(building=True):
        use_threads(args.threads)
        keep_memory()
        run = prepare(args)
    try:
        with plain_errors(), run.record:
            run.run()
    except KeyboardInterrupt:
        print(f'\nstopped; {run.summary()}\nThe same command goes on from here.')
        sys.exit(STOPPED)
    print(run.summary())
    if run.unread:
        print(f'error: {args.input}: {run.unread}', file=sys.stderr)
        sys.exit(UNREAD)


if __name__ == '__main__':
    gc.freeze()
    gc.enable()
    main()
