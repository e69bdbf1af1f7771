"""Checkpoints of other programs, read as tensors and inert records.

Symptom: PyTorch Lightning stores a run's settings (omegaconf or yacs) beside the
weights, so that ``weights_only=True`` refuses the file although nothing in it has to be
executed. Here the names of such settings are bound to :class:`InertRecord`, which does
nothing, or :class:`InertTable`, and every other name is refused before anything is
read. None of these programs is needed. Can go when nobody converts such files any more.
"""

import pickletools
import zipfile
from collections import OrderedDict
from typing import Any

import torch

from mmhand_dne.errors import UserError

from .safe_load import UNREADABLE, allowed_types

SETTINGS = ('omegaconf.',)
YACS = 'yacs.config.CfgNode'
PLAIN = {'builtins.dict': dict, 'builtins.list': list, 'builtins.int': int}
ATTRIBUTE_DICT = '.AttributeDict'
LIGHTNING = ('pytorch_lightning.', 'lightning.', 'lightning_fabric.')


class InertRecord:
    """Stands for any object of a run's settings; keeps nothing, does nothing."""

    def __new__(cls, *_: Any) -> 'InertRecord':
        return object.__new__(cls)

    def __init__(self, *_: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass


class InertTable:
    """Stands for a table of settings that is a dictionary, yacs' ``CfgNode``.

    torch fills no other dictionary than its own, so one of these is made instead: its
    entries and attributes are those of the file, none of which is ever called.
    """

    def __new__(cls, *_: Any) -> OrderedDict:
        return OrderedDict()


def plain_dict(*_: Any) -> dict:
    """A ``collections.defaultdict`` without its factory."""
    return {}


def stand_in(name: str) -> object | None:
    """What a qualified name in the file is bound to; None if it has to be refused."""
    if name in PLAIN:
        return PLAIN[name]
    if name == 'collections.defaultdict':
        return plain_dict
    if name.startswith(LIGHTNING) and name.endswith(ATTRIBUTE_DICT):
        return dict
    if name == YACS:
        return InertTable
    if name == 'typing.Any' or name.startswith(SETTINGS):
        return InertRecord
    return None


def load_foreign(path: str) -> Any:
    """The content of a checkpoint that another program wrote, tensors memory-mapped.

    Args:
        path: a local file in torch's zip format.

    Raises:
        ValueError: it asks for a name that is no tensor, plain data or setting (nothing
            has been executed then), or is damaged or no checkpoint.
    """
    names = _names_in(path)
    extra = {name: stand_in(name) for name in names}
    unknown = {name for name, value in extra.items() if value is None}
    refused = sorted(unknown - _known_names())
    if refused:
        raise UserError(
            f'{path}: the checkpoint wants to run {", ".join(refused)}, which no '
            'weights need; refused without executing anything; get the file from its '
            'authors'
        )
    pairs = [(value, name) for name, value in extra.items() if value is not None]
    try:
        with torch.serialization.safe_globals(pairs):
            return torch.load(path, map_location='cpu', weights_only=True, mmap=True)
    except UNREADABLE as error:
        reason = f'{type(error).__name__}: {error}'.splitlines()[0]
        raise UserError(
            f'{path}: unreadable checkpoint ({reason}); download it again'
        ) from error


def _names_in(path: str) -> list[str]:
    """Every name that the file's pickle mentions, without unpickling it."""
    try:
        with zipfile.ZipFile(path) as archive:
            broken = archive.testzip()
            pickles = [n for n in archive.namelist() if n.split('/')[-1] == 'data.pkl']
            if broken is not None or len(pickles) != 1:
                fault = (
                    f'its part {broken} is damaged'
                    if broken
                    else (f'it holds {len(pickles)} pickles, not one')
                )
                raise UserError(
                    f'{path}: unreadable checkpoint ({fault}); download it again'
                )
            return sorted(_names(archive.read(pickles[0])))
    except zipfile.BadZipFile as error:
        raise UserError(
            f'{path}: is no checkpoint as torch.save and Lightning write them, or is '
            'cut off; download it again'
        ) from error


def _names(data: bytes) -> set:
    found, texts = set(), []
    for op, value, _ in pickletools.genops(data):
        if op.name in ('GLOBAL', 'INST'):
            module, name = value.split(' ', 1)
            found.add(_python3_name(module, name))
        elif op.name == 'STACK_GLOBAL':
            found.add(_python3_name(*texts[-2:]) if len(texts) > 1 else '?')
        elif isinstance(value, str):
            texts.append(value)
    return found


def _python3_name(module: str, name: str) -> str:
    """torch saves with protocol 2, which spells builtins as Python 2 did."""
    from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING

    module, name = NAME_MAPPING.get((module, name), (module, name))
    return f'{IMPORT_MAPPING.get(module, module)}.{name}'


def _known_names() -> set:
    """Names that weights-only loading binds without us."""
    reader = torch._weights_only_unpickler
    return {*reader._get_allowed_globals(), *allowed_types()}
