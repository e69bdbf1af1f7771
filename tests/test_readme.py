"""What README and its pages point to is there, and what they show is taken."""

import re
import shlex
from pathlib import Path

import pytest

from mmhand_dne.version import __version__

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / 'README.md',
    *sorted((ROOT / 'configs').rglob('*.md')),
    *sorted((ROOT / 'tools').rglob('*.md')),
    *sorted((ROOT / '.github').glob('*.md')),
    *sorted((ROOT / 'docs').rglob('*.md')),
]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
LINK = re.compile(r'\[[^\]]*\]\(([^)\s]+)\)')
GONE = '## Names that changed'  # a table whose first column has names of before
OURS = ('tools', 'configs', 'tests', 'docs', '.github', '.ci')


def anchor(title):
    """The name that GitHub gives a heading."""
    kept = re.sub(r'[^\w\- ]', '', title.replace('`', '').strip().lower())
    return kept.replace(' ', '-')


def commands(text):
    """Lines of shell blocks, those that go on over lines joined, comments cut."""
    for block in re.findall(r'```bash\n(.*?)```', text, re.S):
        for line in block.replace('\\\n', ' ').splitlines():
            words = shlex.split(line, comments=True)
            if words:
                yield words


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding='utf-8')
    titles = {anchor(title) for title in re.findall(r'^#+ (.+)$', text, re.M)}
    for target in LINK.findall(re.sub(r'```.*?```', '', text, flags=re.S)):
        if target.startswith('#'):
            assert target[1:] in titles, f'{page}: no heading {target}'
        elif '://' not in target:
            path = page.parent / target.partition('#')[0]
            assert path.exists(), f'{page}: {target}'


def test_file_names_in_pages_of_the_site_exist():
    for page in (ROOT / 'docs').rglob('*.md'):
        text, heading, renamed = page.read_text('utf-8').partition(GONE)
        text += heading + re.sub(r'^\| [^|]+ \|', '|', renamed, flags=re.M)
        for name in re.findall(r'`([\w.]+/[\w./-]+\.\w+)`', text):
            if name.partition('/')[0] in (*OURS, 'mmhand_dne'):
                assert (ROOT / name).exists(), f'{page}: {name}'


@pytest.mark.parametrize('page', PAGES, ids=NAMES)
def test_commands_name_files_of_the_project_that_exist(page):
    for words in commands(page.read_text(encoding='utf-8')):
        for word in words:
            path = Path(word)
            if path.suffix in ('.py', '.sh', '.md') and path.parts[0] in OURS:
                assert (ROOT / path).exists(), f'{page}: {word}'


def test_readme_begins_with_the_set_up_and_shows_how_to_train_and_test():
    first, *others = commands((ROOT / 'README.md').read_text(encoding='utf-8'))
    assert first == ['bash', 'tools/quickstart.sh']
    assert others[0] == ['bash', 'tools/run_tests.sh']
    starts = [words[:3] for words in others]
    assert ['tools/dist_train.sh', 'configs/dne_interhand.py', '4'] in starts
    assert ['python', 'tools/test.py', 'configs/dne_interhand.py'] in starts


def test_citation_is_of_this_version():
    cited = (ROOT / 'CITATION.cff').read_text(encoding='utf-8')
    assert re.search(r'^version: (\S+)$', cited, re.M).group(1) == __version__
