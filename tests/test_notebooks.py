"""The notebook runs from top to bottom, and its page shows it."""

import ast
import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / 'docs' / 'notebooks'
NOTEBOOKS = sorted(FOLDER.glob('*.ipynb'))
NEEDED = ('nbclient', 'nbformat', 'ipykernel')
MISSING = [name for name in NEEDED if importlib.util.find_spec(name) is None]


def test_there_is_one():
    assert [path.name for path in NOTEBOOKS] == ['first_hands.ipynb']


@pytest.mark.parametrize('path', NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_what_it_printed(path):
    cells = json.loads(path.read_text(encoding='utf-8'))['cells']
    code = [cell for cell in cells if cell['cell_type'] == 'code']
    assert code and all(
        cell['outputs'] == [] and cell['execution_count'] is None for cell in code
    )
    for cell in code:
        ast.parse(''.join(cell['source']))


@pytest.mark.skipif(
    bool(MISSING),
    reason=f"no {' and no '.join(MISSING)} here (pip install -e '.[notebook]')",
)
def test_the_first_notebook_runs(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    # Files that it writes lie in its folder, and the photo two folders above it.
    folder = tmp_path / 'docs' / 'notebooks'
    folder.mkdir(parents=True)
    (tmp_path / 'tests').symlink_to(ROOT / 'tests')
    monkeypatch.setenv('PYTHONPATH', str(ROOT), prepend=':')
    monkeypatch.delenv('MPLBACKEND', raising=False)  # the kernel's own shows pictures
    notebook = nbformat.read(NOTEBOOKS[0], as_version=4)
    nbformat.validate(notebook)
    where = {'metadata': {'path': str(folder)}}
    NotebookClient(
        notebook, timeout=600, kernel_name='python3', resources=where
    ).execute()
    shown = [out for cell in notebook.cells for out in cell.get('outputs', [])]
    printed = ''.join(out.get('text', '') for out in shown)
    assert 'right hand, presence' in printed and '(778, 3)' in printed
    assert '2 stages' in printed
    assert sum('image/png' in out.get('data', {}) for out in shown) == 3
    assert (folder / 'notebook_out' / '1193_4.glb').stat().st_size > 10_000


def test_its_page_has_every_cell():
    sys.path.insert(0, str(ROOT / 'docs' / 'plugin'))
    import notebook

    sys.path.remove(str(ROOT / 'docs' / 'plugin'))
    title = (ROOT / 'docs' / 'notebook.md').read_text(encoding='utf-8').splitlines()[0]
    page = f'{title}\n{notebook.first_hands()}'
    assert page.count('```python') == 5
    for _, text in notebook.cells_of(NOTEBOOKS[0]):
        assert text in page
