"""Convert the official weights of HaMeR or of a Hand-Uncertainty model.

    python tools/model_converters/convert_hamer.py IN.ckpt OUT.pth

Finds out which of the five models the file holds, accounts for every tensor, leaves out
MANO's arrays (their licence) and the discriminator, and says whether the uncertainty
head was ever trained. Nothing in the file is executed.

OUT.pth loads strictly into configs/_base_/models/hamer_vit_h.py, the Hand-Uncertainty
models with an uncertainty_head of the same covariance, a decoder of its own and
``aligned=False``. Set ``hand_model.source`` to MANO's file: with the CC0 hand these
weights pose another hand than theirs.
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.errors import UserError


def parse_args(args=None):
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('source', help='official checkpoint, .ckpt')
    parser.add_argument('out', help='file to write, .pth')
    parser.add_argument(
        '--keep-discriminator',
        action='store_true',
        help='to go on training with the adversarial prior',
    )
    return parser.parse_args(args)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import torch
from hamer_keys import (
    COVARIANCE,
    MIXING,
    OFFICIAL,
    POSITIONS,
    VARIANTS,
    Accounting,
    account,
    find_variant,
    target_name,
)
from torch import Tensor

import mmhand_dne
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.compat.foreign_checkpoint import load_foreign
from mmhand_dne.fileio.atomic import whole_file
from mmhand_dne.gaussian.mixing import state_from_mixing

RANDOM_BOUND = 0.12599  # 63 ** -0.5, of torch's first values of W
# Order of the 21 joints out of MANO's 16 and five tips, in every official file.
JOINT_MAP = [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]
TIPS = [744, 320, 443, 554, 671]
MEANING = dict(
    D='channels',
    P='positions',
    M='hidden channels',
    E='decoder channels',
    A='attention channels',
    F='decoder hidden channels',
    blocks='blocks',
    layers='decoder layers',
)
DISCRIMINATOR = 'discriminator.'
NAMED = 4  # tensors of a kind that an error sentence names; all are printed above it


def read_state(path: str) -> dict[str, Tensor]:
    """The state dict of a checkpoint, memory-mapped.

    Raises:
        ValueError: see ``load_foreign``; or the file holds no named tensors.
    """
    content = load_foreign(path)
    state = content.get('state_dict', content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor)
        for name, value in state.items()
    ):
        raise UserError(
            f"{path}: holds no 'state_dict' of named tensors; pass hamer.ckpt or one "
            'of the four Hand-Uncertainty checkpoints'
        )
    return dict(state)


def convert(
    state: dict[str, Tensor], keep_discriminator: bool = False
) -> tuple[dict[str, Tensor], dict]:
    """Our state dict and the meta of an official one.

    Args:
        state: official name -> tensor.
        keep_discriminator: carry it over under its own names.

    Raises:
        ValueError: it is of another model; a tensor is missing, unknown, misshapen or
            not finite; W is ill-conditioned.
    """
    variant = find_variant(state)
    expected, sizes, found = account(state, variant)
    _refuse(found, variant)
    converted = {}
    for name, rule in expected.items():
        target = target_name(name, rule)
        if keep_discriminator and name.startswith(DISCRIMINATOR):
            if name not in state:
                raise UserError(
                    'the checkpoint has no discriminator; convert it '
                    'without --keep-discriminator'
                )
            target = name
        if target is None:
            continue
        value = state[name]
        if not torch.isfinite(value).all():
            raise UserError(f'{name} holds NaN or infinity; download the file again')
        value = value.float() if value.is_floating_point() else value
        if name == POSITIONS:
            value = value[:, 1:] + value[:, :1]
        if name == MIXING:
            for key, part in state_from_mixing(value).items():
                converted[COVARIANCE + key] = part
        else:
            converted[target] = value
    meta = dict(
        variant=variant,
        covariance=VARIANTS[variant],
        sizes=sizes,
        mmhand_dne_version=mmhand_dne.__version__,
    )
    return converted, meta


def left_out(state: dict[str, Tensor], variant: str) -> Counter:
    """How many tensors of each kind are not carried over."""
    expected, *_ = account(state, variant)
    names = [name for name in state if expected[name].target is None]
    return Counter(name.split('.')[0] for name in names)


def diagnose(state: dict[str, Tensor], variant: str) -> list[str]:
    """Lines that say whether the uncertainty head and W were trained."""
    lines = []
    if variant == 'ours':
        largest = float(state[MIXING].abs().max())
        verdict = (
            'never left its random start'
            if largest <= RANDOM_BOUND
            else ('was changed by training')
        )
        lines.append(
            f'W: max|W| = {largest:.5f}, random start <= {RANDOM_BOUND}: W {verdict}'
        )
    if variant != 'deterministic':
        norms = {
            n: v
            for n, v in state.items()
            if n.startswith('uncertainty_head.') and '.norm.' in n
        }
        kept = sum(bool((v == n.endswith('.weight')).all()) for n, v in norms.items())
        verdict = 'were never trained' if kept == len(norms) else 'were trained'
        lines.append(
            f'uncertainty_head: {kept} of {len(norms)} norm weights and '
            f'biases are exactly 1 and 0: they {verdict}'
        )
    for name, wanted in (('joint_map', JOINT_MAP), ('extra_joints_idxs', TIPS)):
        value = state.get(f'mano.{name}')
        if value is not None and value.tolist() != wanted:
            lines.append(
                f'mano.{name} is {value.tolist()}, not {wanted}: the joints '
                'of this model are others than those of ours'
            )
    return lines


def write(path: str, state: dict[str, Tensor], meta: dict) -> None:
    """Write the checkpoint whole or not at all."""
    with whole_file(path) as partial:
        torch.save(dict(meta=meta, state_dict=state), partial)


def report(state: dict, converted: dict, meta: dict) -> None:
    """Print what the file is and where its tensors went."""
    other = [
        f'{meta["sizes"][key]} {MEANING[key]} (official: {size})'
        for key, size in OFFICIAL.items()
        if meta['sizes'][key] != size
    ]
    print(
        f'{meta["variant"]}: {meta["covariance"]}, '
        + ('of the official size' if not other else 'with ' + ', '.join(other))
    )
    dropped = left_out(state, meta['variant'])
    if any(name.startswith(DISCRIMINATOR) for name in converted):
        del dropped[DISCRIMINATOR[:-1]]
    print(
        f'{len(state)} tensors: {len(state) - sum(dropped.values())} used, '
        + (
            ', '.join(
                f'{count} of {name} left out' for name, count in sorted(dropped.items())
            )
            or 'none left out'
        )
        + f'; {len(converted)} written'
    )
    for line in diagnose(state, meta['variant']):
        print(line)


def _refuse(found: Accounting, variant: str) -> None:
    parts = []
    for kind, names in found._asdict().items():
        for name in names:
            print(f'{kind}: {name}')
        if names:
            more = ', ...' if len(names) > NAMED else ''
            parts.append(f'{len(names)} {kind} ({", ".join(names[:NAMED])}{more})')
    if parts:
        raise UserError(
            f'the tensors are not those of HaMeR, variant {variant}: '
            f'{"; ".join(parts)}; pass an official checkpoint, unchanged'
        )


def main(args=None) -> None:
    """Convert the file of the command line."""
    args = parse_args(args)
    with plain_errors(building=True):
        if Path(args.out).suffix != '.pth':
            raise UserError(
                f'{args.out}: unknown kind of file; let the name end in .pth'
            )
        state = read_state(args.source)
        try:
            converted, meta = convert(state, args.keep_discriminator)
        except ValueError as error:
            raise UserError(f'{args.source}: {error}') from None
        report(state, converted, {**meta})
        write(args.out, converted, {**meta, 'source': Path(args.source).name})
        print(f'wrote {args.out}')


if __name__ == '__main__':
    main()
