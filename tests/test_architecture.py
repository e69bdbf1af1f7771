"""The structure that a reader relies on: import directions, rooms, sizes, one home."""

import ast
from collections import Counter, defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'mmhand_dne'
FILES = sorted(
    path
    for folder in ('mmhand_dne', 'tools', 'configs', 'docs', 'tests')
    for path in (ROOT / folder).rglob('*.py')
    if '.mim' not in path.parts
)
SOURCES = [path for path in FILES if PACKAGE in path.parents]
TREES = {path: ast.parse(path.read_text()) for path in SOURCES}

# A room may import the rooms of the levels before its own. CONTRIBUTING.md says what
# each is for.
LEVELS = [
    {'errors', 'first_import', 'late_imports', 'registry', 'version'},
    {'conventions', 'rendered_recipe'},
    {'compat', 'fileio'},
    {'geometry', 'randomness'},
    {'gaussian'},
    {'hand_model'},
    {'structures'},
    {'visualization'},
    {'datasets', 'models', 'evaluation', 'engine'},
    {'apis', 'deployment'},
    {'cli'},
]
# The same inside rooms: folders that may not be imported by those named.
INNER_LEVELS = {
    'visualization': [{'canvas'}, {'panel', 'results'}, {'report'}],
    'datasets': [{'workers'}, {'readers', 'samplers'}, {'transforms'}, {'datasets'}],
}
MATHS_IMPORTS = {'torch', 'numpy', 'math', 'typing', 'roma', 'collections'}
POSIX_ONLY = {'fcntl', 'grp', 'posix', 'pty', 'pwd', 'resource', 'syslog', 'termios'}
# It is copied to machines without the package, so it imports nothing of ours.
COPIED_ALONE = {'run_onnx.py': 900}
MAX_FILE, MAX_FUNCTION, MAX_FOLDER, SMALL = 400, 60, 15, 60


def name_of(path: Path) -> str:
    """Dotted name of a source file."""
    parts = path.relative_to(ROOT).with_suffix('').parts
    return '.'.join(parts[:-1] if parts[-1] == '__init__' else parts)


MODULES = {name_of(path): path for path in SOURCES}


def imports_of(path: Path) -> set[str]:
    """Absolute names of all modules that a file imports, inside functions too."""
    found = set()
    package = path.relative_to(ROOT).with_suffix('').parts[:-1]
    for node in ast.walk(TREES.get(path) or ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = '.'.join([*base, *(node.module or '').split('.')]).strip('.')
            parts = {f'{module}.{alias.name}' for alias in node.names}
            found |= (parts & set(MODULES)) or {module}
    return found


IMPORTS = {name: imports_of(path) & set(MODULES) for name, path in MODULES.items()}


def room_of(name: str, depth: int = 1) -> str:
    """The part of a dotted name below the package, '' for the package itself."""
    return (name.split('.') + ['', ''])[depth]


def level_of(room: str, levels: list[set[str]]) -> int:
    return next(i for i, names in enumerate(levels) if room in names)


ROOMS = sorted({room_of(name) for name in MODULES} - {''})


def test_every_room_has_a_level():
    assert set(ROOMS) == set().union(*LEVELS)


@pytest.mark.parametrize('room', ROOMS)
def test_imports_point_one_way(room):
    wrong = {
        (name, other)
        for name, used in IMPORTS.items()
        for other in used
        if room_of(name) == room != room_of(other)
        if not room_of(other)
        or level_of(room_of(other), LEVELS) >= level_of(room, LEVELS)
    }
    assert not wrong


@pytest.mark.parametrize('room', INNER_LEVELS)
def test_imports_point_one_way_inside_a_room(room):
    levels = INNER_LEVELS[room]
    known = set().union(*levels)
    wrong = {
        (name, other)
        for name, used in IMPORTS.items()
        for other in used
        if room_of(name) == room_of(other) == room
        if {room_of(name, 2), room_of(other, 2)} <= known
        if room_of(name, 2) != room_of(other, 2)
        if level_of(room_of(other, 2), levels) >= level_of(room_of(name, 2), levels)
    }
    assert not wrong


def test_no_modules_import_each_other_in_a_circle():
    left = dict(IMPORTS)
    while free := {name for name, used in left.items() if not used & set(left)}:
        left = {name: used for name, used in left.items() if name not in free}
    assert not left  # what is left is in a circle, or imports one


def test_no_module_needs_what_only_posix_systems_have():
    """At its import: a function may take it where ``sys.platform`` allows."""
    needed = {
        (path.name, name)
        for path, tree in TREES.items()
        for node in tree.body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for name in [getattr(node, 'module', None), *(a.name for a in node.names)]
        if name in POSIX_ONLY
    }
    assert not needed


def test_geometry_is_mathematics_only():
    for path in (PACKAGE / 'geometry').rglob('*.py'):
        foreign = {
            name.split('.')[0]
            for name in imports_of(path)
            if not name.startswith('mmhand_dne')
        } - MATHS_IMPORTS
        assert not foreign, f'{path.name} imports {sorted(foreign)}'


def test_a_file_is_found_by_its_name():
    names = Counter(path.name for path in SOURCES if path.name != '__init__.py')
    assert not {name for name, count in names.items() if count > 1}


def test_a_class_is_found_by_its_name():
    names = Counter(
        node.name
        for tree in TREES.values()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith('_')
    )
    assert not {name for name, count in names.items() if count > 1}


def test_folders_can_be_overlooked():
    counts = Counter(path.parent for path in SOURCES)
    assert not {folder for folder, count in counts.items() if count > MAX_FOLDER}


def test_no_module_is_a_fragment_of_another():
    """A few lines that one other module imports are read there, not in a file apart.

    Registered classes keep their file, which is where MMPose's users look for them.
    """
    users = defaultdict(set)
    for name, used in IMPORTS.items():
        for other in used:
            users[other].add(name)
    outside = set().union(
        *(
            imports_of(path)
            for path in FILES
            if path.relative_to(ROOT).parts[0] == 'tools'
        )
    )
    for name, path in MODULES.items():
        text = path.read_text()
        if path.name == '__init__.py' or text.count('\n') >= SMALL:
            continue
        if 'register_module' in text or name in outside:
            continue
        modules = {user for user in users[name] if MODULES[user].name != '__init__.py'}
        assert len(modules) != 1 or len(users[name]) > 1, f'{name} <- {modules}'


def test_conventions_have_one_home():
    tree = TREES[PACKAGE / 'conventions.py']
    names = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        if node.id.isupper()
    }
    for path, other in TREES.items():
        if path.name == 'conventions.py':
            continue
        again = {
            target.id
            for node in other.body
            if isinstance(node, ast.Assign)
            for target in ast.walk(node)
            if isinstance(target, ast.Name) and isinstance(target.ctx, ast.Store)
        }
        assert not again & names, path


def test_files_are_written_in_one_place():
    for path, tree in TREES.items():
        calls = {ast.unparse(n.func) for n in ast.walk(tree) if isinstance(n, ast.Call)}
        if path != PACKAGE / 'fileio' / 'atomic.py':
            assert not calls & {'os.replace', 'os.rename', 'tempfile.mkstemp'}, path


@pytest.mark.parametrize(
    'path', FILES, ids=[str(path.relative_to(ROOT)) for path in FILES]
)
def test_files_and_functions_are_short(path):
    text = path.read_text()
    assert text.count('\n') <= COPIED_ALONE.get(path.name, MAX_FILE)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = node.end_lineno - node.lineno + 1 - docstring_lines(node)
            assert length <= MAX_FUNCTION, f'{node.name} has {length} lines'


def docstring_lines(node) -> int:
    first = node.body[0]
    has = ast.get_docstring(node) is not None
    return first.end_lineno - first.lineno + 1 if has else 0


def functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]


def test_most_functions_fit_a_glance():
    lengths = sorted(
        node.end_lineno - node.lineno + 1
        for tree in TREES.values()
        for node in functions(tree)
    )
    assert lengths[int(0.9 * len(lengths))] <= 25  # docstrings included


def test_models_say_what_they_take():
    arguments = [
        argument
        for path, tree in TREES.items()
        if PACKAGE / 'models' in path.parents
        for node in functions(tree)
        for argument in (
            *node.args.args,
            *node.args.kwonlyargs,
            *filter(None, (node.args.vararg, node.args.kwarg)),
        )
        if argument.arg not in ('self', 'cls')
    ]
    typed = sum(argument.annotation is not None for argument in arguments)
    assert typed >= 0.95 * len(arguments)


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
    for path, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                if not node.name.startswith('_'):
                    assert ast.get_docstring(node), f'{path.name}: {node.name}'
