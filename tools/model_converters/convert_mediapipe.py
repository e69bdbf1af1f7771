"""Convert MediaPipe Hands' palm and landmark networks (Apache-2.0).

    pip download --no-deps --only-binary=:all: --python-version 3.11 mediapipe==0.10.21
    python tools/model_converters/convert_mediapipe.py mediapipe-0.10.21-*.whl OUT.pth

IN may also be a folder with the two files, or one of them. Their checksums are known;
another version is refused. Newer wheels, from 0.10.30 on, hold no networks.

OUT.pth has ``meta``, ``palm_detector`` and ``hand_landmarker``, the last two the state
dicts of PalmDetector and HandLandmarker in float16, in which the files keep them too:
nothing is lost; ``state_dict`` has the same tensors under the networks' names, where a
config's ``init_cfg`` finds them. Nothing in the file is executed.
"""

import argparse
import hashlib
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.errors import UserError


def parse_args(args=None):
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', help='wheel of mediapipe 0.10.21, folder or .tflite')
    parser.add_argument('out', help='file to write, .pth')
    return parser.parse_args(args)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import torch
from tflite_layers import TFLiteLayer, read_layers
from torch import Tensor, nn

import mmhand_dne
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.fileio.atomic import whole_file
from mmhand_dne.models.detectors import HandLandmarker, PalmDetector

VERSION = 'mediapipe 0.10.21'
LICENCE = 'Apache-2.0, (c) The MediaPipe Authors; converted'
OPERATORS = {nn.Linear: 'FULLY_CONNECTED', nn.PReLU: 'PRELU'}


class Network(NamedTuple):
    """One of the two: its file, the file's SHA-256, our module, its input's side."""

    file: str
    sha256: str
    module: Callable[[], nn.Module]
    size: int


NETWORKS = {
    'palm_detector': Network(
        'palm_detection_full.tflite',
        '1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54',
        PalmDetector,
        192,
    ),
    'hand_landmarker': Network(
        'hand_landmark_full.tflite',
        '11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3',
        HandLandmarker,
        224,
    ),
}


def read_files(source: str | Path) -> dict[str, bytes]:
    """Content of the files that may be networks, by their name without folder.

    Raises:
        ValueError: it is no wheel, no folder and no .tflite file.
        OSError: it cannot be read.
    """
    source, wanted = Path(source), {network.file for network in NETWORKS.values()}
    if source.is_dir():
        return {p.name: p.read_bytes() for p in source.rglob('*') if p.name in wanted}
    if source.suffix == '.tflite':
        return {source.name: source.read_bytes()}
    if not source.exists():
        raise FileNotFoundError(f'{source} does not exist; pass a wheel of {VERSION}')
    try:
        with zipfile.ZipFile(source) as wheel:
            names = {Path(name).name: name for name in wheel.namelist()}
            return {name: wheel.read(names[name]) for name in wanted & set(names)}
    except zipfile.BadZipFile as error:
        raise UserError(
            f'{source} is no wheel ({error}), no folder and no .tflite file; pass the '
            f'wheel of {VERSION}, downloaded again'
        ) from error


def known_networks(files: dict[str, bytes], source: str) -> dict[str, bytes]:
    """Content by our name of the network.

    Raises:
        ValueError: a file is of another version, or there is none.
    """
    sums = {network.sha256: key for key, network in NETWORKS.items()}
    found = {}
    for name, content in files.items():
        checksum = hashlib.sha256(content).hexdigest()
        if checksum not in sums:
            raise UserError(
                f'{source}: {name} has the SHA-256 {checksum[:12]}..., which is not '
                f'that of {VERSION}; pass the wheel of that version'
            )
        found[sums[checksum]] = content
    if not found:
        wanted = ' and '.join(network.file for network in NETWORKS.values())
        raise UserError(f'{source} holds no {wanted}; pass the wheel of {VERSION}')
    return found


def run_order(module: nn.Module, size: int) -> list[tuple[str, nn.Module]]:
    """Name and module of everything with weights, first run first.

    Args:
        size: side of the input, pixels.
    """
    kinds, order = (nn.Conv2d, nn.Linear, nn.PReLU), []
    hooks = [
        part.register_forward_hook(lambda part, *_, name=name: order.append(name))
        for name, part in module.named_modules()
        if isinstance(part, kinds)
    ]
    with torch.inference_mode():
        module(torch.zeros(1, 3, size, size))
    for hook in hooks:
        hook.remove()
    return [(name, module.get_submodule(name)) for name in order]


def operator_of(part: nn.Module) -> str:
    """TensorFlow Lite's name of what a module does."""
    if isinstance(part, nn.Conv2d):
        return 'CONV_2D' if part.groups == 1 else 'DEPTHWISE_CONV_2D'
    return OPERATORS[type(part)]


def state_of(module: nn.Module, size: int, layers: list[TFLiteLayer]) -> dict:
    """State dict of a module with the weights of a file, float16.

    Args:
        size: side of the module's input, pixels.
        layers: the file's, first run first.
    Raises:
        ValueError: the file's layers are not the module's, or not of float16.
    """
    parts = run_order(module, size)
    if len(parts) != len(layers):
        raise UserError(
            f'the network has {len(layers)} layers with weights, expected {len(parts)};'
            f' pass the files of {VERSION}'
        )
    state = {}
    for (name, part), layer in zip(parts, layers):
        wanted = (operator_of(part), tuple(part.weight.shape))
        found = (layer.operator, layer.weight.shape)
        if found != wanted or getattr(part, 'stride', (1,))[0] != layer.stride:
            raise UserError(
                f'layer {name} is {found} with stride {layer.stride}, expected '
                f'{wanted}; pass the files of {VERSION}'
            )
        state[f'{name}.weight'] = lossless_half(layer.weight, name)
        if layer.bias is not None:
            state[f'{name}.bias'] = lossless_half(layer.bias, name)
    return state


def lossless_half(values, name: str) -> Tensor:
    """A float16 tensor of a float32 array, which has to hold the same numbers."""
    tensor = torch.from_numpy(values.copy())
    if not torch.equal(tensor.half().float(), tensor):
        raise UserError(
            f'layer {name} holds numbers that float16 does not; pass the files of '
            f'{VERSION}'
        )
    return tensor.half()


def convert(source: str | Path) -> dict:
    """What OUT.pth holds; see the module's description.

    Raises:
        ValueError: the source is not what is expected.
        OSError, ModuleNotFoundError: it, or the package tflite, cannot be read.
    """
    networks = known_networks(read_files(source), str(source))
    meta = dict(
        source=VERSION, licence=LICENCE, mmhand_dne_version=mmhand_dne.__version__
    )
    meta['sha256'] = {key: NETWORKS[key].sha256 for key in networks}
    converted = {
        key: state_of(NETWORKS[key].module(), NETWORKS[key].size, read_layers(content))
        for key, content in sorted(networks.items())
    }
    flat = {
        f'{key}.{name}': value
        for key, state in converted.items()
        for name, value in state.items()
    }
    return dict(meta=meta, state_dict=flat, **converted)


def main(args=None) -> None:
    """Convert the file of the command line."""
    args = parse_args(args)
    with plain_errors():
        if Path(args.out).suffix != '.pth':
            raise UserError(
                f'{args.out}: unknown kind of file; let the name end in .pth'
            )
        content = convert(args.source)
        with whole_file(args.out) as partial:
            torch.save(content, partial)
        for key in content['meta']['sha256']:
            count = sum(value.numel() for value in content[key].values())
            print(f'{key}: {len(content[key])} tensors, {count:,} numbers')
        print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
