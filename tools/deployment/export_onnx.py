"""Write a model as ONNX: tools/deployment/export_onnx.py [CONFIG CHECKPOINT] OUT.

Without CONFIG and CHECKPOINT it is the model that comes with the package. The file
holds normalisation, network, hand model and error bars: uint8 RGB crops in, meshes out,
all described in its metadata. It is compared with PyTorch before it gets
its name; where the two differ there is no file, one sentence and exit status 1. Of a
model that reads upright crops the networks that find hands and turn them are written
too, as NAME.palms.onnx and NAME.landmarks.onnx beside it.
``run_onnx.py`` beside this tool runs it with NumPy and ONNX Runtime alone.
"""

import argparse
import logging
import sys
import tempfile
import time
import warnings
from importlib.util import find_spec
from inspect import signature
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.cli.arguments import add_config_options
from mmhand_dne.errors import UserError


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Write a model as ONNX, checked against PyTorch'
    )
    parser.add_argument(
        'files',
        nargs='+',
        metavar='FILE',
        help='config and checkpoint, unless it is the shipped model, and the file to '
        'write, NAME.onnx',
    )
    parser.add_argument(
        '--batch',
        default='dynamic',
        type=batch_size,
        help="crops per run: a number, or 'dynamic' (default)",
    )
    add_config_options(parser, example='model.test_cfg.flip_test=True')
    args = parser.parse_args()
    if len(args.files) not in (1, 3):
        parser.error('give CONFIG CHECKPOINT OUT, or OUT alone for the shipped model')
    *given, out = args.files
    args.config, args.checkpoint = given or (None, None)
    args.out = Path(out)
    return args


def batch_size(text: str) -> int | None:
    """A number of crops; None for 'dynamic'."""
    if text == 'dynamic':
        return None
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is neither a number nor 'dynamic'")
    return int(text)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import torch

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.config_names import test_pipeline
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.deployment import (
    HandNetwork,
    Mismatch,
    check_onnx,
    describe,
    export_finder,
    export_onnx,
    finder_files,
)
from mmhand_dne.deployment.onnx_check import METRES, Difference
from mmhand_dne.deployment.onnx_export import OPSET
from mmhand_dne.engine.runner.checkpoint_files import check_checkpoint

PACKAGES = ('onnx', 'onnxscript', 'onnxruntime')


def check_request(args: argparse.Namespace) -> None:
    """Refuse what cannot work, before anything is built."""
    missing = [name for name in PACKAGES if find_spec(name) is None]
    if missing:
        raise ImportError(
            f'{missing[0]} is not installed, which the export needs; '
            f'pip install {" ".join(PACKAGES)}'
        )
    if 'dynamic_shapes' not in signature(torch.onnx.export).parameters:
        raise ImportError(
            f'torch {torch.__version__} cannot export with a dynamic '
            'batch; install a newer one (2.13 is what this was tested '
            'with)'
        )
    if args.out.suffix != '.onnx':
        raise UserError(f'{args.out}: let the name end in .onnx')
    if not args.out.parent.is_dir():
        raise FileNotFoundError(f'there is no folder {args.out.parent}; make it first')
    if args.checkpoint is not None:
        check_checkpoint(args.checkpoint)


def write_checked(
    hands: HandMeshInferencer, about: dict, args: argparse.Namespace
) -> dict[str, Difference]:
    """Write under another name, check, and only then give the files their own."""
    network = HandNetwork(hands.model).eval()
    with tempfile.TemporaryDirectory(dir=args.out.parent, prefix='.export-') as folder:
        path = Path(folder) / args.out.name
        export_onnx(network, path, args.batch, about)
        found = check_onnx(network, path, args.batch, about['input']['size'])
        if hands.turner is not None:
            parts = export_finder(hands.turner.finder, finder_files(path))
            for name, differences in parts.items():
                found |= {f'{name}: {key}': x for key, x in differences.items()}
        # The weights of a large model lie beside it; they come first.
        for part in sorted(Path(folder).iterdir(), key=lambda part: part == path):
            part.replace(args.out.parent / part.name)
    return found


def report(
    args: argparse.Namespace, found: dict[str, Difference], seconds: float
) -> None:
    """Print every output's difference, and what was written."""
    print(f'{"output":<19} {"largest":>9} {"difference to PyTorch":>22}')
    for name, (error, size) in found.items():
        unit = ' m' if name in METRES else ''
        print(f'{name:<19} {size:>9.3g} {error:>22.2g}{unit}')
    files = [args.out, args.out.with_name(args.out.name + '.data')]
    files += finder_files(args.out).values()
    megabytes = sum(path.stat().st_size for path in files if path.exists()) / 1e6
    print(
        f'{args.out}: {megabytes:.1f} MB, opset {OPSET}, batch '
        f'{args.batch or "dynamic"}, {seconds:.0f} s'
    )


def main() -> None:
    args = parse_args()
    # On packages that nothing here uses, and on what torch will change in itself.
    logging.getLogger('torch.onnx').setLevel(logging.ERROR)
    warnings.simplefilter('ignore', FutureWarning)
    start = time.monotonic()
    with plain_errors(building=True):
        check_request(args)
        hands = HandMeshInferencer(
            args.config, args.checkpoint, 'cpu', cfg_options=args.cfg_options
        )
        about = describe(
            test_pipeline(hands.cfg), hands.model, Path(hands.weights).name
        )
    with plain_errors():
        try:
            found = write_checked(hands, about, args)
        except Mismatch as error:
            print(f'error: {error}', file=sys.stderr, flush=True)
            sys.exit(1)
    report(args, found, time.monotonic() - start)
    print(about['hand'])


if __name__ == '__main__':
    main()
