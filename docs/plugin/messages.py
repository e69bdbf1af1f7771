"""Every sentence that the software can say about bad input, read from its source."""

import ast
from pathlib import Path

from page_parts import ROOT

FOLDERS = ('mmhand_dne', 'tools')
GAP = '…'  # what the program fills in


def sources() -> list[Path]:
    """Python files of the package and its tools, in order."""
    return [
        path
        for folder in FOLDERS
        for path in sorted((ROOT / folder).rglob('*.py'))
        if '.mim' not in path.parts
    ]


def constants_of(tree: ast.Module) -> dict[str, str]:
    """Names of a module that stand for a text, and the text."""
    return {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        if isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def text_of(node: ast.AST, constants: dict[str, str]) -> str | None:
    """The text of an expression, a gap for what is filled in; None if it is no text."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = [text_of(side, constants) for side in (node.left, node.right)]
        return None if sides == [None, None] else ''.join(s or GAP for s in sides)
    if not isinstance(node, ast.JoinedStr):
        return None
    pieces = []
    for part in node.values:
        inner = part.value if isinstance(part, ast.FormattedValue) else part
        if isinstance(inner, ast.Name):
            pieces.append(constants.get(inner.id, GAP))
        else:
            pieces.append(inner.value if isinstance(part, ast.Constant) else GAP)
    return ''.join(pieces)


def sentences(path: Path) -> list[str]:
    """What the ``UserError`` calls of a file say, each once, in their order."""
    tree = ast.parse(path.read_text(encoding='utf-8'))
    constants = constants_of(tree)
    found = [
        text_of(node.args[0], constants)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.args
        if ast.unparse(node.func) == 'UserError'
    ]
    words = [' '.join(text.split()) for text in found if text and text.strip(GAP)]
    return list(dict.fromkeys(words))


def all_texts() -> list[str]:
    """Every text in the source, a gap for what is filled in."""
    found = []
    for path in sources():
        tree = ast.parse(path.read_text(encoding='utf-8'))
        constants = constants_of(tree)
        found += [text_of(node, constants) for node in ast.walk(tree)]
    return [' '.join(text.split()) for text in found if text]


def message_list() -> str:
    """Markdown: the sentences of all files, below the name of each file's folder."""
    lines, folder = [], None
    for path in sources():
        said = sentences(path)
        if said and path.parent != folder:
            folder = path.parent
            lines += ['', f'## `{folder.relative_to(ROOT).as_posix()}`', '']
        lines += [f'- ``` {text} ``` (`{path.name}`)' for text in said]
    return '\n'.join(lines)
