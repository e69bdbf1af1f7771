"""The rooms of the drawing code import one another in one direction only."""

import ast
from pathlib import Path

import pytest

from mmhand_dne import visualization

FOLDER = Path(visualization.__file__).parent
# What each room may import, beside itself.
ALLOWED = {
    'canvas': set(),
    'panel': {'canvas'},
    'results': {'canvas'},
    'report': {'canvas', 'results'},
}


def rooms_used(room):
    used = set()
    for path in (FOLDER / room).glob('*.py'):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom):
                assert node.level <= 1, path  # another room has its full name
                parts = (node.module or '').split('.')
                if parts[:2] == ['mmhand_dne', 'visualization']:
                    names = [alias.name for alias in node.names]
                    used |= set(parts[2:3] or names)
    return used - {room}


def test_every_room_is_known():
    assert {path.parent.name for path in FOLDER.glob('*/__init__.py')} == set(ALLOWED)


@pytest.mark.parametrize('room', ALLOWED)
def test_a_room_imports_only_those_below_it(room):
    assert rooms_used(room) <= ALLOWED[room]
