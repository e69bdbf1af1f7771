"""Write the official submission of FreiHAND or HO-3D from a dump of predictions.

FreiHAND: evaluation order, OpenPose joints, camera axes, metres. HO-3D: the order of
evaluation.txt, its joint order, OpenGL axes, hands on the given wrists.

Examples:
    python tools/test.py configs/... CHECKPOINT --dump predictions.npz
    python tools/analysis_tools/export_submission.py predictions.npz \
        --protocol freihand --out-dir work_dirs/freihand
    python tools/analysis_tools/export_submission.py predictions.npz \
        --protocol ho3d --frames data/HO3D_v3/evaluation.txt --out-dir work_dirs/ho3d
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.conventions import ROOTS
from mmhand_dne.errors import UserError

OFFICIAL = dict(freihand='FreiHANDMetric', ho3d='HO3DMetric')


def parse_args(args=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('dump', type=Path, help='.npz of tools/test.py --dump')
    parser.add_argument('--protocol', choices=sorted(OFFICIAL), required=True)
    parser.add_argument('--out-dir', type=Path, required=True)
    parser.add_argument(
        '--root',
        choices=ROOTS,
        help='where the wrist goes; default given for ho3d, predicted for freihand',
    )
    parser.add_argument(
        '--frames', type=Path, help="HO-3D's evaluation.txt: check the rows against it"
    )
    parser.add_argument(
        '--images', type=int, help='rows expected, if not the official number'
    )
    return parser.parse_args(args)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import numpy as np
from mmengine.registry import init_default_scope
from mmpose.registry import METRICS

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.datasets.readers.ho3d_files import read_frame_list
from mmhand_dne.evaluation.functional.submission import SHAPES, write_submission
from mmhand_dne.evaluation.metrics.absolute_hand import (
    predicted_hand,
    to_official,
)
from mmhand_dne.evaluation.metrics.dump_predictions import dumped_samples
from mmhand_dne.fileio.dump_file import DumpFile

USUAL_ROOT = dict(freihand='predicted', ho3d='given')
NEEDED = ('pred/hand_vertices', 'pred/hand_joints', 'meta/id')
# Fields for either root: the predicted wrist, or the annotated one.
ROOT_FIELDS = dict(
    predicted=('pred/hand_root_cam',),
    given=('gt/hand_root_valid', 'annotation/keypoints_cam'),
)


def root_of(args) -> str:
    """Where the hands go."""
    return args.root or USUAL_ROOT[args.protocol]


def check_rows(args, dump: DumpFile) -> None:
    """Refuse rows that are not the evaluation set's, in its order."""
    needed = (*NEEDED, *ROOT_FIELDS[root_of(args)])
    missing = [key for key in needed if key not in dump.fields]
    if missing:
        raise UserError(
            f'{args.dump}: has no {missing[0]}, which --root {root_of(args)} needs; '
            'dump the predictions of a model of hand meshes, with ground truth'
        )
    frames = read_frame_list(args.frames) if args.frames else None
    counts = METRICS.get(OFFICIAL[args.protocol]).counts
    allowed = list(counts.values())
    if frames is not None or args.images is not None:
        allowed = [len(frames) if frames is not None else args.images]
    if dump.images not in allowed:
        raise UserError(
            f'{args.dump}: has {dump.images:,} images, expected '
            f'{" or ".join(f"{n:,}" for n in allowed)}; test the whole evaluation set '
            '(or give --images to try with less)'
        )
    keys = ['meta/id', 'meta/img_path'] if frames is not None else ['meta/id']
    row = 0
    for chunk in dump.chunks(keys):
        for i, found in enumerate(chunk['meta/id'].tolist()):
            if found != row:
                raise UserError(
                    f'{args.dump}: row {row} is image {found}, expected the evaluation '
                    'set in its order; test it alone and whole'
                )
            if frames is not None:
                check_frame(args, chunk['meta/img_path'][i].decode(), frames[row])
            row += 1


def check_frame(args, path: str, frame: tuple[str, str]) -> None:
    """Compare an image's path with its line of the list."""
    parts = Path(path).parts
    if parts[-3:-2] != frame[:1] or Path(path).stem != frame[1]:
        raise UserError(
            f'{args.dump}: {path} is not {"/".join(frame)} of {args.frames}; give the '
            'list of the same HO-3D version'
        )


def hands(args, dump: DumpFile, which: str) -> Iterator[np.ndarray]:
    """The images' joints or vertices in the data set's order and axes."""
    root = root_of(args)
    for sample in dumped_samples(dump, [*NEEDED, *ROOT_FIELDS[root]]):
        image = str(sample['id'])
        hand = predicted_hand(sample, image, 'export_submission', root, None)
        points = getattr(hand, which)
        if points.shape != SHAPES[which]:
            raise UserError(
                f'image {image}: {which} have shape {points.shape}, expected '
                f'{SHAPES[which]}'
            )
        if not np.isfinite(points).all():
            raise UserError(
                f'image {image}: the predicted camera gives the hand no position; '
                'use --root given'
            )
        points = to_official(points, args.protocol, joints=which == 'joints')
        if args.protocol == 'ho3d' and (points[:, 2] > 0).all():
            raise UserError(
                f'image {image}: the hand lies behind the camera (OpenGL z > 0), which '
                'the official script refuses; use --root given'
            )
        yield points


def main(args=None):
    args = parse_args(args)
    init_default_scope('mmpose')
    with plain_errors(building=True):
        dump = DumpFile(args.dump)
        check_rows(args, dump)
        path = write_submission(args.out_dir, lambda which: hands(args, dump, which))
    print(f'{path}: {dump.images:,} images')


if __name__ == '__main__':
    main()
