"""Checkpoint files: written whole or not at all, checked before they are used."""

import os
import os.path as osp
import pickle
import re
import zipfile
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend
from mmengine.runner.checkpoint import CheckpointLoader

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import write_whole

RESUMABLE = re.compile(r'(epoch|iter)_\d+\.pth')


@register_backend('atomic_local', force=True)
class AtomicLocalBackend(LocalBackend):
    """Local disk on which a file appears only when it is complete.

    Bytes go to a temporary name in the same folder, are forced to the disk and then
    renamed, so that a kill or a power cut leaves the old file or the new one.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes; creates the folder if needed."""
        write_whole(filepath, obj, durable=True)

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write text; creates the folder if needed."""
        self.put(obj.encode(encoding), filepath)


def what_is_wrong(path: str) -> str | None:
    """Why a checkpoint file cannot be used, in a few words; None if it can.

    Checks that it is a file, that every byte is as it was written (checksums of the
    archive) and that it holds data only, without executing anything from it.
    """
    return _content(path)[1]


def _content(path: str) -> tuple[dict | None, str | None]:
    """What a file holds, and :func:`what_is_wrong` with it."""
    if not osp.isfile(path):
        return None, 'there is no such file'
    with open(path, 'rb') as file:
        is_archive = file.read(2) == b'PK'
    try:
        if is_archive:
            with zipfile.ZipFile(path) as archive:
                broken = archive.testzip()
            if broken is not None:
                return None, f'its part {broken} is damaged'
        # Weights-only with every torch, since compat.install().
        content = CheckpointLoader.load_checkpoint(path, 'cpu', logger='silent')
    except zipfile.BadZipFile:
        return None, f'it is cut off or damaged ({osp.getsize(path)} bytes)'
    except ValueError as error:
        return None, str(error).removeprefix(f'{path}: ')
    except (RuntimeError, EOFError, KeyError, pickle.UnpicklingError):
        return None, 'it is not a checkpoint'
    if not isinstance(content, dict):
        return None, 'it does not hold named tensors'
    return content, None


def check_checkpoint(path: str) -> dict | None:
    """Raise one sentence unless a local file can be loaded; URLs are left alone.

    Returns: what the file holds; None of a URL.
    """
    if '://' in path:
        return None
    content, problem = _content(path)
    if problem is not None:
        remedy = (
            'check the path'
            if not osp.exists(path)
            else ('use another checkpoint or copy the file again')
        )
        error = FileNotFoundError if not osp.exists(path) else ValueError
        raise error(f'cannot load the checkpoint {path}: {problem}; {remedy}')
    return content


def check_resumable(path: str, content: dict | None) -> None:
    """Raise one sentence unless a run can continue from a file.

    Args:
        content: what :func:`check_checkpoint` has returned for it.
    """
    if content is None:
        return
    meta = content.get('meta') or {}
    if 'optimizer' not in content or not {'epoch', 'iter'} <= set(meta):
        raise UserError(
            f'cannot resume from {path}: it holds weights without the state of a '
            'training, as published files do; start from it with '
            f'--cfg-options load_from={path}'
        )


def find_resumable(work_dir: str) -> tuple[str | None, str | None]:
    """The checkpoint to continue from in a folder.

    Returns: its path, None if the folder has none; and a sentence that has to be
        shown when it is not the one written last, else None.
    Raises: ValueError if there are checkpoints and none is whole.
    """
    record = osp.join(work_dir, 'last_checkpoint')
    if not osp.isdir(work_dir):
        return None, None
    files = [
        osp.join(work_dir, name)
        for name in os.listdir(work_dir)
        if RESUMABLE.fullmatch(name)
    ]
    files.sort(key=lambda path: (osp.getmtime(path), path), reverse=True)
    last = Path(record).read_text().strip() if osp.isfile(record) else ''
    if not last and not files:
        return None, None
    if last and not osp.exists(last):  # the folder was moved or copied
        last = osp.join(work_dir, osp.basename(last))
    last = last or files[0]
    problem = what_is_wrong(last)
    if problem is None:
        return last, None
    for path in files:
        if osp.basename(path) != osp.basename(last) and what_is_wrong(path) is None:
            return path, (
                f'cannot continue from the last checkpoint {last}: {problem};'
                f' continuing from the one before it, {path}'
            )
    raise UserError(
        f'cannot continue from the last checkpoint {last}: {problem}; no '
        f'other whole checkpoint is in {work_dir}, start without --resume'
    )
