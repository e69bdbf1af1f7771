"""The site's pages exist, what they take from elsewhere is there, and links lead on.

What MkDocs itself checks is checked where it is installed; all else needs no MkDocs.
"""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / 'docs'
sys.path.insert(0, str(DOCS / 'plugin'))
import messages  # noqa: E402
import model_zoo  # noqa: E402
import page_parts  # noqa: E402

sys.path.remove(str(DOCS / 'plugin'))

PAGES = page_parts.pages()
PARTS = page_parts.Parts(PAGES)
BUILT = {page: PARTS.expand(page) for page in PAGES}
LINK = re.compile(r'(?<!!)\[[^\]]*\]\(([^)\s]+)\)')
SAID = re.compile(r'^> (.+)$', re.M)
TITLES = ('Hands of your own images', 'From Python')
SHOWN = '<!-- include tools/demo.md -->'
ROW = re.compile(r'^\| (.+?) \| .+? \| (`.+`) \|$', re.M)


def nav_pages(entry):
    """All pages of mkdocs.yml's nav."""
    if isinstance(entry, str):
        return [entry]
    inner = entry.values() if isinstance(entry, dict) else entry
    return [page for item in inner for page in nav_pages(item)]


def settings():
    return yaml.safe_load((ROOT / 'mkdocs.yml').read_text(encoding='utf-8'))


def plain(text):
    return re.sub(r'```.*?```', '', text, flags=re.S)


def test_nav_names_every_page_once():
    named = nav_pages(settings()['nav'])
    assert sorted(named) == sorted(PAGES)


@pytest.mark.parametrize('page', PAGES)
def test_links_of_a_built_page_lead_to_pages_and_headings(page):
    text = plain(BUILT[page])
    for target in LINK.findall(text):
        if '://' in target:
            continue
        path, _, anchor = target.partition('#')
        other = page
        if path:
            where = (DOCS / page).parent / path
            assert where.is_file(), f'{page}: {target}'
            if where.suffix != '.md':  # a file that the site hands out
                continue
            other = where.resolve().relative_to(DOCS).as_posix()
        sections = page_parts.sections_of(BUILT[other])
        titles = {page_parts.anchor_of(section.title) for section in sections}
        assert not anchor or anchor in titles, f'{page}: {target}'


@pytest.mark.parametrize('page', PAGES)
def test_a_page_has_one_title_and_it_comes_first(page):
    levels = [s.level for s in page_parts.sections_of(BUILT[page])]
    assert levels[0] == 1 and levels.count(1) == 1


def test_every_section_of_the_readme_is_on_the_site():
    text = '\n'.join(BUILT[page] for page in PAGES)
    shown = {section.title for section in page_parts.sections_of(text)}
    readme = page_parts.sections_of((ROOT / 'README.md').read_text(encoding='utf-8'))
    missing = {section.title for section in readme} - shown
    assert not missing, f'name them in pages of docs/: {missing}'


def test_pictures_are_files():
    pictures = PARTS.pictures()
    assert 'images/real_hand.jpg' in pictures
    assert all(path.is_file() for path in pictures.values())
    assert '](images/real_hand.jpg)' in BUILT['index.md']


def test_a_section_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="README.md has no section 'Nowhere'"):
        page_parts.Parts({'a.md': '<!-- include README.md: Nowhere -->'})


def test_a_link_to_nowhere_is_named():
    page = {'a.md': '<!-- include README.md: -->', 'b.md': '[x](../setup.py)'}
    with pytest.raises(ValueError, match='README.md: the link to #three-commands'):
        page_parts.Parts(page).expand('a.md')
    with pytest.raises(ValueError, match='docs/b.md: the link to ../setup.py'):
        page_parts.Parts(page).expand('b.md')


def test_a_section_named_apart_is_not_taken_twice():
    rest, apart = (f'<!-- include tools/demo.md: {title} -->' for title in TITLES)
    parts = page_parts.Parts({'a.md': rest, 'b.md': apart})
    assert '## From Python' in page_parts.Parts({'a.md': rest}).expand('a.md')
    assert '## From Python' not in parts.expand('a.md')
    assert '## Long runs' in parts.expand('a.md')
    assert parts.expand('b.md').startswith('# From Python')


def test_what_a_page_says_itself_links_to_pages_and_pictures():
    own = (
        'See [it](../tools/demo.md#long-runs).\n\n![A hand](../.github/real_hand.jpg)\n'
    )
    text = own + '<!-- include .github/CONTRIBUTING.md -->\n' + own
    pages = {'in/a.md': text.replace('../', '../../'), 'b.md': SHOWN}
    parts = page_parts.Parts(pages)
    built = parts.expand('in/a.md')
    link = 'See [it](../b.md#long-runs).\n\n![A hand](../images/real_hand.jpg)\n'
    assert built.startswith(link) and built.endswith(f'\n{link}')
    assert list(parts.pictures()) == ['images/real_hand.jpg']
    assert '](images/gallery_overlay.jpg)' in BUILT['front_door.md']


def test_readme_is_a_short_door_to_every_page():
    readme = (ROOT / 'README.md').read_text(encoding='utf-8')
    assert len(readme.splitlines()) <= 200
    linked = set(LINK.findall(readme))
    for page, text in PAGES.items():
        # Listed by another page, which is linked.
        inner = page.startswith(('api/', 'data/')) or page == 'all_messages.md'
        places = {match[1] for match in page_parts.INCLUDE.finditer(text)}
        assert inner or {f'docs/{page}', *places} & {'README.md', *linked}, page


def test_a_heading_in_code_is_none():
    text = '# A\n```bash\n# not a heading\n```\n## B\n'
    assert [s.title for s in page_parts.sections_of(text)] == ['A', 'B']


def test_what_belongs_to_a_list_item_stays_in_it():
    text = '1. One:\n\n   ```\n   a\n   ```\n2. Two\n- A\n  - B\n\n```\n- x\n  y\n```'
    wide = '1. One:\n\n    ```\n    a\n    ```\n\n2. Two\n- A\n    - B\n'
    assert page_parts.wide_lists(text) == wide + '\n```\n- x\n  y\n```'
    steps = BUILT['data/README.md']
    assert '\n    Every check is a line' in steps and '\n\n3. Look at it' in steps


def test_quoted_sentences_are_said_by_the_software():
    source = messages.all_texts()
    quoted = SAID.findall(PAGES['troubleshooting.md'])
    assert len(quoted) > 20
    for sentence in quoted:
        assert any(sentence in text for text in source), sentence


def test_each_quoted_sentence_has_cause_and_remedy():
    text = PAGES['troubleshooting.md']
    for entry in re.split(r'^> ', text, flags=re.M)[1:]:
        assert entry.count('**Cause.**') == entry.count('**Remedy.**') == 1, entry


def test_sentences_are_read_whole():
    path = ROOT / 'mmhand_dne' / 'hand_model' / 'mano_file.py'
    said = [s for s in messages.sentences(path) if 'no such MANO file' in s]
    assert said == [
        '…: no such MANO file; give MANO_RIGHT.pkl or MANO_LEFT.pkl of MANO v1.2 '
        "(https://mano.is.tue.mpg.de), or source='cc0'"
    ]


def test_the_list_of_messages_has_those_of_every_file():
    listed = messages.message_list()
    said = re.compile(r"UserError\(\s*f?['\"]\w")
    files = [path for path in messages.sources() if said.search(path.read_text())]
    assert len(files) > 50
    for path in files:
        assert f'(`{path.name}`)' in listed


def numbers_of(reference):
    """Eq. 6-7 gives {6, 7}."""
    low, _, high = reference.removeprefix('Eq. ').partition('-')
    return set(range(int(low), int(high or low) + 1))


def equations_in(text):
    """All numbers of equations that a source names."""
    found = re.findall(r'Eq\. (\d+(?:-\d+)?)', text)
    return set().union(*map(numbers_of, found)) if found else set()


def test_files_of_the_papers_exist_and_name_their_equations():
    rows = ROW.findall(PAGES['papers.md'])
    assert len(rows) > 30
    for reference, files in rows:
        for name in re.findall(r'`([^`]+)`', files):
            text = (ROOT / name).read_text(encoding='utf-8')
            if reference.startswith('Eq.'):
                absent = numbers_of(reference) - equations_in(text)
                assert not absent, f'{name}: {absent}'
            elif re.match(r'(Fig|Table)', reference):
                number = reference.split()[1]
                assert re.search(rf'(Figure|Fig\.|Tables?) .*{number}', text), name


def test_every_equation_has_a_row():
    rows = ROW.findall(PAGES['papers.md'])
    named = [numbers_of(name) for name, _ in rows if name.startswith('Eq.')]
    assert set().union(*named) == set(range(1, 12))  # DNE's equations


def test_the_reference_has_every_module_once():
    named = [
        name
        for page, text in PAGES.items()
        for name in re.findall(r'^::: (\S+)$', text, re.M)
    ]
    for path in (ROOT / 'mmhand_dne').rglob('*.py'):
        if '.mim' in path.parts or path.name == '__init__.py':
            continue
        module = '.'.join(path.relative_to(ROOT).with_suffix('').parts)
        above = [name for name in named if f'{module}.'.startswith(f'{name}.')]
        assert len(above) == 1, f'{module}: name it once in docs/api/, not {above}'


def test_the_zoo_has_every_model_with_all_its_numbers():
    text = model_zoo.model_tables()
    metafile = (ROOT / 'configs' / 'dne' / 'metafile.yml').read_text(encoding='utf-8')
    for name in re.findall(r'^- Name: (dne_\w+)$', metafile, re.M):
        assert f'### `{name}`' in text
    for value in re.findall(r'^      [\w -]+%?: ([\d.]+)$', metafile, re.M):
        assert f' {value} |' in text


def test_the_zoo_has_every_config():
    text = model_zoo.config_tables()
    for path in (ROOT / 'configs').rglob('*.py'):
        if '_base_' not in path.parts:
            assert f'| `{path.stem}` |' in text


def test_a_config_is_described_by_its_first_sentence(tmp_path):
    config = tmp_path / 'a.py'
    config.write_text('# A model (Sec. 4.1), on\n# photos:\n#     a command\nx = 1\n')
    assert model_zoo.purpose(config) == 'A model (Sec. 4.1), on photos.'
    config.write_text('x = 1\n')
    with pytest.raises(ValueError, match='begin it with a comment'):
        model_zoo.purpose(config)


def test_the_changelog_begins_with_this_version():
    versions = re.findall(r'^## (\S+)$', PAGES['changelog.md'], re.M)
    version = (ROOT / 'mmhand_dne' / 'version.py').read_text(encoding='utf-8')
    assert f"'{versions[0]}'" in version


def test_the_workflow_installs_the_extra():
    tree = ast.parse((ROOT / 'setup.py').read_text(encoding='utf-8'))
    wanted = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == 'DOCS'
    )
    workflow = (ROOT / '.github' / 'workflows' / 'docs.yml').read_text(encoding='utf-8')
    assert ' '.join(f"'{requirement}'" for requirement in wanted) in workflow
    assert 'mkdocs build --strict' in workflow


@pytest.mark.skipif(
    importlib.util.find_spec('mkdocs') is None,
    reason="MkDocs is not installed (pip install -e '.[docs]')",
)
def test_the_site_builds_without_a_warning(tmp_path):
    built = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', '-d', str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert built.returncode == 0, built.stderr
    index = (tmp_path / 'search' / 'search_index.json').read_text(encoding='utf-8')
    assert 'HandMeshInferencer' in index and 'no such MANO file' in index
