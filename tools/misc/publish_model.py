"""The weights of a checkpoint alone, for others: no optimiser, no paths, no state.

    python tools/misc/publish_model.py work_dirs/x/best.pth published/dne.pth

writes published/dne-HASH.pth, HASH being the first eight digits of its SHA-256. It is
for tests, inference and ``load_from``, not for ``--resume``.
"""

import argparse
import hashlib
import io
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.errors import UserError


def parse_args() -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='of a training')
    parser.add_argument('out', type=Path, help='name of the file, without the hash')
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import torch

import mmhand_dne
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.compat.plain_checkpoint import make_plain
from mmhand_dne.engine.hooks.checkpoint_match_hook import HAND
from mmhand_dne.engine.runner.checkpoint_files import check_checkpoint
from mmhand_dne.engine.runner.training_record import TRAINED_ON
from mmhand_dne.fileio.atomic import write_whole

KEPT = ('epoch', 'iter', 'dataset_meta', HAND, TRAINED_ON)  # of a checkpoint's meta


def publish(source: str, out: Path) -> Path:
    """Write the published file; returns its path.

    Raises:
        ValueError: the checkpoint is damaged or holds no weights.
    """
    content = check_checkpoint(source)
    if content is None:
        raise UserError(f'{source}: is an address; download the file and give its path')
    if not isinstance(content.get('state_dict'), dict):
        raise UserError(
            f'{source}: holds no state_dict; give a checkpoint of tools/train.py'
        )
    meta = content.get('meta') or {}
    kept = {key: meta[key] for key in KEPT if key in meta}
    kept['mmhand_dne_version'] = mmhand_dne.__version__
    published = dict(meta=kept, state_dict=content['state_dict'])
    make_plain(published)
    stream = io.BytesIO()
    torch.save(published, stream)
    digest = hashlib.sha256(stream.getvalue()).hexdigest()[:8]
    path = out.with_name(f'{out.stem}-{digest}.pth')
    return write_whole(path, stream.getvalue())


def main() -> None:
    """Publish the checkpoint of the command line."""
    args = parse_args()
    with plain_errors():
        print(publish(args.checkpoint, args.out))


if __name__ == '__main__':
    main()
