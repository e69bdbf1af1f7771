"""The model zoo: tables of ``model-index.yml``'s metafiles and of the configs."""

import ast
import re
from pathlib import Path

import yaml
from page_parts import ROOT

CONFIG_FOLDERS = (
    '.',
    'dne',
    'dne/ablations',
    'hamer',
    'hamer/poster',
    'mix',
    'reproduce',
)


def table(header: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    lines = [header, ['---'] * len(header), *rows]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


def metafiles() -> list[dict]:
    """The contents of the metafiles that model-index.yml names."""
    return [_read(ROOT / name) for name in _read(ROOT / 'model-index.yml')['Import']]


def _read(path: Path) -> dict:
    # Every value is a text, so that 0.800 keeps its digits.
    return yaml.load(path.read_text(encoding='utf-8'), Loader=yaml.BaseLoader)


def model_tables() -> str:
    """Markdown: every model with its config, weights and results."""
    parts = []
    for meta in metafiles():
        models = meta['Models']
        for collection in meta['Collections']:
            name = collection['Name']
            parts += [f'## {name}', collection['Paper']['Title'] + '.']
            own = [m for m in models if m['In Collection'] == name]
            parts += [_model(model) for model in own]
            if not own:
                parts.append('No weights of it are published here.')
    return '\n\n'.join(parts)


def config_tables() -> str:
    """Markdown: every config that a run can start from, and what it is."""
    parts = []
    for folder in CONFIG_FOLDERS:
        files = sorted((ROOT / 'configs' / folder).glob('*.py'))
        title = (Path('configs') / folder).as_posix()
        rows = [[f'`{path.stem}`', purpose(path)] for path in files]
        parts += [f'### `{title}/`', table(['config', 'what'], rows)]
    return '\n\n'.join(parts)


def purpose(config: Path) -> str:
    """The first sentence of the comment that a config begins with.

    Raises:
        ValueError: it begins with something else.
    """
    text = config.read_text(encoding='utf-8')
    said = ast.get_docstring(ast.parse(text))
    if said is None:
        block = re.match(r'(#.*\n)+', text)
        if block is None:
            raise ValueError(f'{config}: begin it with a comment that says what it is')
        said = re.split(r'\n#?\n|\n#   ', block[0])[0]  # before commands and paragraphs
        said = '\n'.join(line.lstrip('# ') for line in said.splitlines())
    joined = ' '.join(said.split())
    first = re.match(r'.*?\.(?= [A-Z(]|$)', joined)
    return (first[0] if first else joined).rstrip(':.') + '.'


def _model(model: dict) -> str:
    data = model['Metadata']
    place = model.get('Weights', '')
    rows = [['config', f'`{model["Config"]}`'], ['weights', _weights(place)]]
    rows += [
        [name.lower(), ', '.join(value) if isinstance(value, list) else value]
        for name, value in data.items()
    ]
    columns = list(
        dict.fromkeys(key for result in model['Results'] for key in result['Metrics'])
    )
    results = [
        [result['Dataset'], *(result['Metrics'].get(key, '') for key in columns)]
        for result in model['Results']
    ]
    parts = [f'### `{model["Name"]}`', table(rows[0], rows[1:])]
    if not results:
        return '\n\n'.join([*parts, 'It was not measured here.'])
    title = 'Results (where no unit stands, lengths in mm, 2D errors in % of the box):'
    return '\n\n'.join([*parts, title, table(['data', *columns], results)])


def _weights(place: str) -> str:
    if '://' in place:
        return f'[download]({place})'
    if not place:
        return 'not published; the command trains it'
    if place.startswith('mmhand_dne/'):
        return f'`{place}`, comes with the package'
    return place
