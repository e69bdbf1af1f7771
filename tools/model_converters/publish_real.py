"""One small file out of a trained dne_real and the converted detector.

    python tools/model_converters/publish_real.py work_dirs/dne_real/epoch_9.pth \
        data/real/mediapipe_hands.pth mmhand_dne/weights/dne_real.pth

Weights are rounded to float16; optimiser, random state and buffers that the hand model
gives are left out; what the model and the detector share is there once. What comes out
loads with ``weights_only=True``.
"""

import argparse
import io
import sys
from collections import defaultdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.errors import UserError


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The two files to join and the one to write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='of a training of configs/dne_real.py')
    parser.add_argument('detector', help='of convert_mediapipe.py')
    parser.add_argument('out', type=Path)
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import torch
from mmengine.runner.checkpoint import CheckpointLoader

import mmhand_dne
from mmhand_dne.apis.shipped_model import FINDERS, LANDMARKER, read_parts
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.engine.runner.training_record import record_of
from mmhand_dne.fileio.atomic import write_whole

LIMIT = 20e6  # bytes, of what a package may hold
NOTICE = (
    'Apache-2.0; contains MediaPipe Hands networks, (c) The MediaPipe Authors, '
    'converted and modified'
)


def main(argv: list[str] | None = None) -> None:
    """Join the files."""
    args = parse_args(argv)
    with plain_errors():
        trained = CheckpointLoader.load_checkpoint(args.checkpoint, map_location='cpu')
        detector = read_parts(args.detector)
        finders = {part: halved(args.detector, detector[part]) for part in FINDERS}
        model = halved(args.checkpoint, trained['state_dict'])
        content = dict(
            meta=dict(
                config='dne_real',
                mmhand_dne_version=mmhand_dne.__version__,
                licence=NOTICE,
                epoch=trained['meta'].get('epoch'),
                seed=trained['meta'].get('seed'),
                trained_on=record_of(trained),
            ),
            state_dict=once(model, finders[LANDMARKER]),
            **finders,
        )
        buffer = io.BytesIO()
        torch.save(content, buffer)
        size = buffer.tell()
        if size > LIMIT:
            raise UserError(
                f'{args.out} would have {size / 1e6:.1f} MB, more than '
                f'{LIMIT / 1e6:.0f}; train a smaller model'
            )
        write_whole(args.out, buffer.getvalue())
    print(f'{args.out}: {size / 1e6:.2f} MB')


def halved(path: str, state: dict) -> dict:
    """Tensors in float16; integers as they are."""
    small = {}
    for name, value in state.items():
        name = name.removeprefix('module.')
        small[name] = value.half() if value.is_floating_point() else value
        if not torch.isfinite(small[name]).all():
            raise UserError(f'{path}: {name} does not fit into float16')
    return small


def once(state: dict, others: dict) -> dict:
    """The state with the tensors of others where they are equal.

    A file keeps a tensor of two names once: the network's untrained copy costs nothing.
    """
    by_shape = defaultdict(list)
    for value in others.values():
        by_shape[value.shape].append(value)
    return {
        name: next((o for o in by_shape[value.shape] if torch.equal(o, value)), value)
        for name, value in state.items()
    }


if __name__ == '__main__':
    main()
