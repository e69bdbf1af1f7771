"""What is decided here is marked by one rule, and listed with its reason."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / 'configs/dne/README.md').read_text()
FILES = [
    path
    for folder in ('mmhand_dne', 'configs', 'tools')
    for path in (ROOT / folder).rglob('*.py')
    if '.mim' not in path.parts
]


def marks(path):
    return re.findall(r'\[decided[^\]]*\]?', path.read_text())


def last_columns():
    """File names in the last column of the page's tables."""
    rows = [line for line in PAGE.splitlines() if line.startswith('| ')]
    return {
        name for row in rows for name in re.findall(r'`([\w-]+\.py)`', cells(row)[-1])
    }


def cells(row):
    return row.strip(' |').split('|')


def test_a_mark_is_the_word_alone():
    assert {mark for path in FILES for mark in marks(path)} == {'[decided]'}


def test_every_marked_file_is_listed_and_every_listed_one_is_marked():
    assert {path.name for path in FILES if marks(path)} == last_columns()


def test_the_rows_about_the_papers_say_the_switch():
    rows = [cells(line) for line in PAGE.splitlines() if line.startswith('| ')]
    papers = [row for row in rows if len(row) == 5]
    assert len(papers) > 20
    assert all(cell.strip() for row in papers for cell in row)


def test_sections_of_dne_go_by_their_names():
    """The paper does not number them."""
    pages = [
        path for part in ('configs', 'docs') for path in (ROOT / part).rglob('*.md')
    ]
    for path in [*FILES, *pages, ROOT / 'README.md']:
        assert not re.search(r'(DNE|\() ?Sec\. \d', path.read_text()), path
