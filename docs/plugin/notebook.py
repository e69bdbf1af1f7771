"""A notebook as the text of a page: its words, and its code as blocks."""

import json
from pathlib import Path

from page_parts import DOCS

FIRST = DOCS / 'notebooks' / 'first_hands.ipynb'


def cells_of(path: Path) -> list[tuple[str, str]]:
    """Kind ('markdown' or 'code') and text of every cell of a notebook, in order."""
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    return [(cell['cell_type'], ''.join(cell['source'])) for cell in cells]


def first_hands() -> str:
    """Markdown: the notebook that begins with a photo, below its title."""
    parts = [
        text if kind == 'markdown' else f'```python\n{text}\n```'
        for kind, text in cells_of(FIRST)
    ]
    title, _, text = '\n\n'.join(parts).partition('\n')
    assert title.startswith('# '), f'{FIRST}: begin it with a title'
    return text
