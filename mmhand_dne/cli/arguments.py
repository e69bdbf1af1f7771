"""Flags that several tools have.

Nothing here imports what takes seconds: a tool answers ``--help`` and refuses wrong
flags before it imports PyTorch and MMPose.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path


class ConfigOptions(argparse.Action):
    """MMEngine's ``DictAction``, which is imported where the flag is used."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence | None,
        option_string: str | None = None,
    ) -> None:
        """Store ``KEY=VALUE`` pairs as a dictionary."""
        from mmengine.config import DictAction

        action = DictAction(self.option_strings, self.dest, nargs=self.nargs)
        action(parser, namespace, values, option_string)


def share(text: str) -> float:
    """A flag's number from 0 to 1.

    Raises ArgumentTypeError for anything else.
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no number from 0 to 1')
    return value


def add_common_arguments(
    parser: argparse.ArgumentParser, pictures: str, example: str
) -> None:
    """Add what training and test share: pictures, options of the config, launcher.

    Args:
        pictures: of what ``--show-dir`` gets pictures, for the help.
        example: options as a user may type them, for the help.
    """
    parser.add_argument('--show-dir', help=f'folder for pictures of {pictures}')
    parser.add_argument('--show', action='store_true', help='pictures in a window')
    parser.add_argument(
        '--interval', type=int, default=1, help='from one picture to the next'
    )
    parser.add_argument(
        '--wait-time', type=float, default=1, help='seconds a window stays'
    )
    add_config_options(parser, example)
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='who started several processes',
    )
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0)


def add_config_options(parser: argparse.ArgumentParser, example: str = '') -> None:
    """Add ``--cfg-options``, with an example for the help."""
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=ConfigOptions,
        metavar='KEY=VALUE',
        help='override keys of the config' + (f', as in {example}' if example else ''),
    )


def common_parser(
    description: str,
    splits: tuple[str, ...],
    images: tuple[str, ...] = ('decode', 'exist'),
) -> argparse.ArgumentParser:
    """The parser of a prepare tool; ``images`` are the choices of looking at them."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('root', type=Path, help='the folder of the download')
    parser.add_argument(
        '--splits',
        nargs='+',
        choices=splits,
        default=list(splits),
        help='which to check and to index (default: all)',
    )
    parser.add_argument(
        '--hand-model',
        metavar='FOLDER',
        help="folder of MANO_RIGHT.pkl (v1.2), or 'cc0': also check that "
        'MANO parameters, meshes and joints belong together',
    )
    parser.add_argument(
        '--images',
        choices=images,
        default='decode',
        help='decode every image, some of them, or only see that they are there '
        '(default: decode)',
    )
    parser.add_argument(
        '--index',
        type=Path,
        metavar='PLACE',
        help='folder for indexes and report, where the download is read-only (default: '
        "the download's own); data sets get it as index=PLACE",
    )
    parser.add_argument(
        '--partial',
        action='store_true',
        help='only a part was downloaded: missing images and other counts than the '
        'official ones are warnings',
    )
    parser.add_argument(
        '--workers',
        type=int,
        default=os.cpu_count(),
        help='processes (default: all cores)',
    )
    return parser
