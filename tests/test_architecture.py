"""The structure that a reader relies on: import directions, sizes, one table."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'mmhand_dne'
FILES = sorted(
    path
    for folder in ('mmhand_dne', 'tools', 'configs', 'tests')
    for path in (ROOT / folder).rglob('*.py')
    if '.mim' not in path.parts
)

# A folder may import the folders before its own level, and its own.
LEVELS = [
    {'compat', 'version'},
    {'geometry'},
    {'hand_model'},
    {'structures'},
    {'datasets', 'models', 'evaluation', 'visualization', 'engine'},
    {'apis', 'deployment'},
]
# Exceptions, each with its reason.
SIDEWAYS = {
    # The hook of --show-dir draws with the visualizer's panels.
    ('engine', 'visualization'),
    # SparsificationMetric draws its curves.
    ('evaluation', 'visualization'),
}
MATHS_IMPORTS = {'torch', 'numpy', 'math', 'typing', 'roma', 'collections'}
MAX_FILE, MAX_FUNCTION = 400, 60


def level_of(folder: str) -> int:
    return next(i for i, names in enumerate(LEVELS) if folder in names)


def imports_of(path: Path) -> set[str]:
    """Absolute names of all modules that a file imports, inside functions too."""
    found = set()
    package = path.relative_to(ROOT).with_suffix('').parts[:-1]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            found.add('.'.join([*base, *(node.module or '').split('.')]).strip('.'))
    return found


def folders_used(folder: str) -> set[str]:
    """Sub-packages of mmhand_dne that the files of one of them import."""
    used = set()
    for path in (PACKAGE / folder).rglob('*.py'):
        for name in imports_of(path):
            parts = name.split('.')
            if parts[0] == 'mmhand_dne' and len(parts) > 1:
                used.add(parts[1])
    return used - {folder}


def docstring_lines(node) -> int:
    first = node.body[0]
    has = ast.get_docstring(node) is not None
    return first.end_lineno - first.lineno + 1 if has else 0


SUBPACKAGES = sorted(path.parent.name for path in PACKAGE.glob('*/__init__.py'))


def test_every_subpackage_has_a_level():
    assert set(SUBPACKAGES) <= set().union(*LEVELS)


@pytest.mark.parametrize('folder', SUBPACKAGES)
def test_imports_point_one_way(folder):
    wrong = {
        other
        for other in folders_used(folder)
        if level_of(other) >= level_of(folder) and (folder, other) not in SIDEWAYS
    }
    assert not wrong, f'{folder} imports {sorted(wrong)}'


def test_geometry_is_mathematics_only():
    for path in (PACKAGE / 'geometry').rglob('*.py'):
        foreign = {
            name.split('.')[0]
            for name in imports_of(path)
            if not name.startswith('mmhand_dne')
        } - MATHS_IMPORTS
        assert not foreign, f'{path.name} imports {sorted(foreign)}'


@pytest.mark.parametrize(
    'path', FILES, ids=[str(path.relative_to(ROOT)) for path in FILES]
)
def test_files_and_functions_are_short(path):
    text = path.read_text()
    assert text.count('\n') <= MAX_FILE
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = node.end_lineno - node.lineno + 1 - docstring_lines(node)
            assert length <= MAX_FUNCTION, f'{node.name} has {length} lines'


def test_no_loader_that_executes_data():
    for path in FILES:
        if 'tests' in path.relative_to(ROOT).parts:
            continue  # they prove that a malicious file is live, and refused
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            assert name not in ('pickle.load', 'pickle.loads', 'eval', 'exec'), path
            for keyword in node.keywords:
                if keyword.arg == 'weights_only':
                    assert ast.unparse(keyword.value) != 'False', path
                if keyword.arg == 'allow_pickle':
                    assert ast.unparse(keyword.value) == 'False', path


def test_public_names_have_docstrings():
    for path in PACKAGE.rglob('*.py'):
        if '.mim' in path.parts:
            continue
        tree = ast.parse(path.read_text())
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                if not node.name.startswith('_'):
                    assert ast.get_docstring(node), f'{path.name}: {node.name}'
