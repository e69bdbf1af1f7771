"""Print a config with its bases merged: python tools/misc/print_config.py CONFIG."""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.cli.arguments import add_config_options


def parse_args() -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description='Print a config, bases merged')
    parser.add_argument('config', help='config file')
    add_config_options(parser)
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.engine.runner.run_config import read_config


def main() -> None:
    """Print the config of the command line."""
    args = parse_args()
    with plain_errors(building=True):
        print(read_config(args.config, args.cfg_options).pretty_text)


if __name__ == '__main__':
    main()
