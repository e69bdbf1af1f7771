"""A user's mistakes as one sentence, on the last line, with exit status 2."""

import difflib
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import write_whole

if TYPE_CHECKING:
    from mmengine.registry import Registry

TRACEBACK = 'MMHAND_TRACEBACK'
LAUNCHERS_FILE = 'TORCHELASTIC_ERROR_FILE'  # torchrun sets it, one for each process
# Always a user's: what we say ourselves, and files and packages that are not as they
# should be.
MISTAKES = (UserError, OSError, ImportError)
# A user's while a config is read and its parts are built.
CONFIG_MISTAKES = (
    *MISTAKES,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    AssertionError,
    SyntaxError,
)
WRAPPED = 'Original Traceback'  # by torch, from a data loader's process
UNREGISTERED = re.compile(r'(\S+) is not in the \S+::(.+?) registry')
WRONG_ARGUMENT = re.compile(
    r'(unexpected keyword argument|missing \d+ required|multiple values for)'
)


@contextmanager
def plain_errors(building: bool = False) -> Iterator[None]:
    """Turn a user's mistake into ``error: one sentence`` and exit status 2.

    With the environment variable MMHAND_TRACEBACK=1 the traceback is shown too. What
    is not a user's mistake passes unchanged.

    Args:
        building: the block only reads a config and builds from it.
    """
    try:
        yield
    except Exception as error:
        sentence = explain(error, building)
        if sentence is None:
            raise
        sys.stdout.flush()
        if os.environ.get(TRACEBACK):
            traceback.print_exc()
        print(f'error: {sentence}', file=sys.stderr, flush=True)
        _tell_launcher(f'error: {sentence}')
        sys.exit(2)


def _tell_launcher(line: str) -> None:
    """Leave the line where torchrun looks; tools/launch.py repeats it at the end."""
    path = os.environ.get(LAUNCHERS_FILE)
    if path:
        told = dict(message=line, extraInfo=dict(timestamp=int(time.time())))
        write_whole(path, json.dumps(dict(message=told)).encode())


def explain(error: Exception, building: bool = False) -> str | None:
    """The sentence for a mistake of the user; None if it is something else."""
    missing_key = isinstance(error, KeyError) and error.args
    text = str(error.args[0] if missing_key else error)
    unregistered = UNREGISTERED.search(text)
    if unregistered:
        return _unknown_name(*unregistered.groups())
    if isinstance(error, TypeError) and WRONG_ARGUMENT.search(text):
        return f'{_last_line(text)}; correct or remove that key in the config'
    mistakes = CONFIG_MISTAKES if building else MISTAKES
    if not isinstance(error, mistakes) or not text.strip():
        return None
    if isinstance(error, KeyError):
        return f'the config lacks {text!r}'
    return _last_line(text)


def _last_line(text: str) -> str:
    """The message itself, where a worker process wrapped it in its traceback."""
    if WRAPPED in text:
        text = re.split(r'\n(?:\w+\.)*\w*(?:Error|Exception): ', text)[-1]
    return ' '.join(text.split())


def _unknown_name(name: str, registry: str) -> str:
    """Sentence on a ``type`` that nobody registered."""
    import mmpose.registry  # the tools read their flags before
    from mmengine.registry import Registry

    known = [
        entry
        for value in vars(mmpose.registry).values()
        if isinstance(value, Registry) and value.name == registry
        for entry in _entries(value)
    ]
    close = difflib.get_close_matches(name, sorted(set(known)), n=1)
    hint = (
        f'did you mean {close[0]!r}?'
        if close
        else ('correct type= in the config or add its module to custom_imports')
    )
    return f'unknown {registry} {name!r}; {hint}'


def _entries(registry: 'Registry') -> list[str]:
    parent = registry.parent
    return [*registry.module_dict, *(parent.module_dict if parent else ())]
