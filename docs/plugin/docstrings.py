"""What mkdocstrings shows of the package (an extension of Griffe, in mkdocs.yml).

Docstrings name classes and functions as ``:class:`NAME```, which is Sphinx's way; here
they become code, and ``Example:`` becomes the section that Griffe knows. A name that a
package passes on is shown where it is defined only.
"""

import re
from typing import Any

import griffe

ROLE = re.compile(r':(?:class|func|meth|mod|attr|data|obj):`[~.]*([^`]+)`')
EXAMPLE = re.compile(r'^( *)Example:$', re.M)


def plain(text: str) -> str:
    """A docstring as Griffe and Markdown show it as its writer meant it."""
    return EXAMPLE.sub(r'\1Examples:', ROLE.sub(r'`\1`', text))


class PlainDocstrings(griffe.Extension):
    """Translate docstrings and leave out names that are defined elsewhere."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite one object's docstring."""
        if obj.docstring:
            obj.docstring.value = plain(obj.docstring.value)

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Leave out what packages import from their modules."""
        _drop_aliases(pkg)


def _drop_aliases(module: griffe.Module) -> None:
    for name, member in list(module.members.items()):
        if member.is_alias:
            del module.members[name]
        elif member.is_module:
            _drop_aliases(member)
    module.exports = None
