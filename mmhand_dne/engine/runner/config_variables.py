"""Variables of a config file: copied when the file is read, dead afterwards.

``model = dict(refine_head=dict(num_stages=dne['M']))`` copies the value. A child's
``dne = dict(M=1)`` or ``--cfg-options dne.M=1`` then changes what is printed and not
what is run; both are refused here.
"""

import ast
import inspect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner

from mmhand_dne.errors import UserError

# Keys that MMEngine, MMPose and this package read besides the Runner's arguments.
OTHER_KEYS = {
    'activation_checkpointing',
    'auto_scale_lr',
    'compile',
    'custom_imports',
    'default_scope',
    'detect_anomalous_params',
    'efficient_conv_bn_eval',
    'env_cfg',
    'find_unused_parameters',
    'hand_model',
    'model_wrapper_cfg',
    'sync_bn',
}
READ_KEYS = OTHER_KEYS | set(inspect.signature(Runner.__init__).parameters)
ALL = ''  # in place of an entry's name: the whole variable
Entry = tuple[str, str]  # variable, entry of it


def check_variables(cfg: Config, path: str, as_read: Config | None = None) -> None:
    """Refuse what was changed of a file's variables after it had copied them.

    Args:
        cfg: of the file, perhaps changed since.
        path: the file.
        as_read: what the file says; None reads it.
    Raises: UserError that names the variable and the keys that hold its copies.
    """
    if not path.endswith('.py'):
        return
    file = _Source(path)
    if as_read is None:
        as_read = Config.fromfile(path, import_custom_modules=False)
    for name, entry in sorted(file.copied()):
        found, value = (_entry(c, name, entry) for c in (cfg, as_read))
        keys = file.uses(name, entry)
        if name in READ_KEYS or found == value or _is_read(cfg, keys, found):
            continue
        _refuse(name, entry, found, keys, as_read)
    for source in file.family():
        for name, entry in sorted(source.overrides()):
            keys = source.uses_in_bases(name, entry)
            value = _entry(as_read, name, entry)
            if not _is_read(as_read, keys, value):
                _refuse(name, entry, value, keys, as_read)


def _refuse(
    name: str, entry: str, value: Any, keys: Sequence[str], cfg: Config
) -> None:
    symbol = f'{name}.{entry}' if entry else name
    places = [place for key in keys for place, _ in _places(cfg, key)]
    remedy = (
        f'set {" and ".join(dict.fromkeys(places))} instead'
        if places
        else 'set the keys that were made of it instead'
    )
    raise UserError(
        f'{symbol}={value!r} changes nothing: {name} is a variable that the config '
        f'file copied when it was read; {remedy}'
    )


def _entry(cfg: Mapping, name: str, entry: str) -> Any:
    value = cfg.get(name)
    return value.get(entry) if entry and isinstance(value, Mapping) else value


def _is_read(cfg: Config, keys: Sequence[str], value: Any) -> bool:
    """Does one of the keys that get a copy have this value?"""
    return any(value == found for key in keys for _, found in _places(cfg, key))


def _places(node: Any, key: str, path: str = '') -> Iterator[tuple[str, Any]]:
    """Paths and values of a key in what a run reads of a config."""
    if isinstance(node, (Mapping, Config)):
        items = [(k, v) for k, v in node.items() if path or k in READ_KEYS]
    elif isinstance(node, (list, tuple)):
        items = enumerate(node)
    else:
        return
    for name, value in items:
        if name == key:
            yield f'{path}{name}', value
        yield from _places(value, key, f'{path}{name}.')


class _Source:
    """One config file: what it assigns, what it uses, and its bases."""

    def __init__(self, path: str) -> None:
        self.tree = ast.parse(Path(path).read_text(encoding='utf-8'))
        self.bases = [
            _Source(Config._get_cfg_path(base, path)[0])
            for base in Config._get_base_files(path)
        ]
        self.used = list(_uses(self.tree))  # entry, keyword that gets it or ''

    def family(self) -> Iterator['_Source']:
        """This file, its bases, theirs."""
        yield self
        for base in self.bases:
            yield from base.family()

    def assigned(self) -> set[Entry]:
        """Variables that this file assigns; of a dict, its entries."""
        found = set()
        for node in self.tree.body:
            if isinstance(node, ast.Assign):
                for target in ast.walk(ast.Tuple(node.targets, ast.Store())):
                    if isinstance(target, ast.Name):
                        found |= {(target.id, e) for e in _entries(node.value)}
        return found

    def copied(self) -> set[Entry]:
        """Entries of variables that some file of the family uses."""
        known = {e for source in self.family() for e in source.assigned()}
        return {(n, e) for n, e in known if self.uses(n, e) is not None}

    def overrides(self) -> set[Entry]:
        """Variables that a base has copied, assigned here and not used here."""
        before = {n for b in self.bases for s in b.family() for n, _ in s.assigned()}
        return {
            (n, e)
            for n, e in self.assigned()
            if n in before - READ_KEYS
            and self.uses_in_bases(n, e) is not None
            and not any(_meets(entry, (n, e)) for entry, _ in self.used)
        }

    def uses(self, name: str, entry: str) -> list[str] | None:
        """Keywords that get an entry in the family; None if nothing uses it."""
        return _joined(source._keys(name, entry) for source in self.family())

    def uses_in_bases(self, name: str, entry: str) -> list[str] | None:
        """The same, below this file."""
        return _joined(base.uses(name, entry) for base in self.bases)

    def _keys(self, name: str, entry: str) -> list[str] | None:
        met = [key for used, key in self.used if _meets(used, (name, entry))]
        return [key for key in met if key] if met else None


def _joined(parts: Iterable[list[str] | None]) -> list[str] | None:
    """All that is in the lists; None if there is none."""
    found = [keys for keys in parts if keys is not None]
    return [key for keys in found for key in keys] if found else None


def _meets(used: Entry, entry: Entry) -> bool:
    return used[0] == entry[0] and (used[1] == entry[1] or ALL in (used[1], entry[1]))


def _entries(value: ast.expr) -> list[str]:
    """Names of the entries of a dict in a file; of anything else, the whole."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == 'dict':
        names = [keyword.arg or ALL for keyword in value.keywords]
        return names or [ALL]
    return [ALL]


def _uses(node: ast.AST, key: str = '') -> Iterator[tuple[Entry, str]]:
    """Variables that an expression uses, with the keyword that gets exactly that."""
    entry = _as_entry(node)
    if entry is not None:
        yield entry, key
        return
    for child in ast.iter_child_nodes(node):
        yield from _uses(child, node.arg or '' if isinstance(node, ast.keyword) else '')


def _as_entry(node: ast.AST) -> Entry | None:
    """``x``, ``x['e']``, ``x.e``, and the same after ``_base_.``."""
    parts = []
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        if isinstance(node, ast.Attribute):
            parts.append(node.attr)
        elif isinstance(node.slice, ast.Constant):
            parts.append(str(node.slice.value))
        else:
            return None
        node = node.value
    if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
        return None
    parts = [*parts, node.id][::-1]
    if parts[0] == '_base_':
        parts = parts[1:]
    return (parts[0], parts[1] if len(parts) > 1 else ALL) if parts else None
