"""Pages of the site, which may hold other pages of the project or parts of them.

A page of ``docs/`` names such a part in a line of its own, so that nothing is written
twice:

    <!-- include README.md: Citation -->    a section, with the sections inside it that
                                            no other line names
    <!-- include README.md: -->             what stands before the first section
    <!-- include tools/demo.md -->          a whole page
    <!-- file CITATION.cff -->              a file as it is

Pages and parts link to files of the project, as GitHub wants it; here these become
links between the pages that hold them. Only the standard library is needed, so that
tests run without MkDocs.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / 'docs'
IMAGES = 'images'  # the site's folder of the project's pictures
PICTURES = ('.jpg', '.png', '.svg', '.gif')
INCLUDE = re.compile(r'^<!-- include (\S+?)(?:(:) ?(.*?))? -->$', re.M)
FILE = re.compile(r'^<!-- file (\S+) -->$', re.M)
HEADING = re.compile(r'^(#+) (.+)$')
LINK = re.compile(r'\]\(([^)\s]+)\)')
CODE = re.compile(r'(```.*?```|`[^`\n]*`)', re.S)


class Section(NamedTuple):
    """A heading with what stands below it, up to the next heading of any level."""

    level: int
    title: str
    text: str  # with the heading's line


class Home(NamedTuple):
    """Where a part of the project's text is found on the site."""

    page: str  # path in docs/
    anchor: str  # '' for the top of the page


def anchor_of(title: str) -> str:
    """The name that GitHub and the site give a heading."""
    kept = re.sub(r'[^\w\- ]', '', title.replace('`', '').strip().lower())
    return kept.replace(' ', '-')


def sections_of(text: str) -> list[Section]:
    """The sections of a page in their order; headings inside code are none."""
    found, lines, fenced = [], [], False
    level, title = 0, ''
    for line in text.splitlines():
        fenced ^= line.lstrip().startswith('```')
        heading = None if fenced else HEADING.match(line)
        if heading:
            found.append(Section(level, title, '\n'.join(lines)))
            level, title, lines = len(heading[1]), heading[2], []
        lines.append(line)
    found.append(Section(level, title, '\n'.join(lines)))
    return [section for section in found if section.text.strip()]


def wide_lists(text: str) -> str:
    """A page whose lists keep what belongs to an item four spaces in.

    GitHub takes the width of the item's mark, Python-Markdown four.
    """
    lines, width, fenced = [], 0, False
    for line in text.splitlines():
        fenced ^= line.startswith('```')
        mark = re.match(r'\d+\. |[-*] ', line)
        if fenced or (line.strip() and not line.startswith(' ') and not mark):
            width = 0
        elif mark:
            if width and lines[-1].startswith('    '):
                lines.append('')  # else the next item would go on the paragraph above
            width = len(mark[0])
        elif width and line.startswith(' ' * width):
            line = ' ' * (4 - width) + line
        lines.append(line)
    return '\n'.join(lines)


def pages() -> dict[str, str]:
    """Path in docs/ and text of every page of the site."""
    files = (
        path for path in sorted(DOCS.rglob('*.md')) if path.parent.name != 'plugin'
    )
    return {
        path.relative_to(DOCS).as_posix(): path.read_text(encoding='utf-8')
        for path in files
    }


class Parts:
    """What the pages of the site hold of the project's other pages.

    Args:
        pages: path in docs/ and text of every page, as from :func:`pages`.

    Raises:
        ValueError: a line names a section or file that is not there.
    """

    def __init__(self, pages: dict[str, str]) -> None:
        self.pages = pages
        self.named = {
            (match[1], match[3])
            for text in pages.values()
            for match in INCLUDE.finditer(text)
            if match[3]
        }
        self.homes: dict[tuple[str, str], Home] = {}
        for page, text in pages.items():
            self._note_homes(page, text)

    def expand(self, page: str) -> str:
        """The text of a page with its parts in their places and working links.

        Raises:
            ValueError: a part links to what is not on the site.
        """
        text = self.pages[page]

        def part(match: re.Match) -> str:
            shift = self._shift(text, match)
            moved = [_shifted(section, shift) for section in self._sections(match)]
            return self._relink(wide_lists('\n'.join(moved)), match[1], page)

        shown, end = '', 0
        for match in INCLUDE.finditer(text):
            shown += self._own(text[end : match.start()], page) + part(match)
            end = match.end()
        return FILE.sub(_file_block, shown + self._own(text[end:], page))

    def pictures(self) -> dict[str, Path]:
        """Path on the site and file of every picture that the pages show."""
        found = {}
        for page, text in self.pages.items():
            shown = [(f'docs/{page}', INCLUDE.sub('', text))]
            for match in INCLUDE.finditer(text):
                shown += [(match[1], part.text) for part in self._sections(match)]
            for source, part in shown:
                for target in LINK.findall(CODE.sub('', part)):
                    if target.endswith(PICTURES) and '://' not in target:
                        path = (ROOT / source).parent / target
                        found[f'{IMAGES}/{path.name}'] = path
        return found

    def _own(self, text: str, page: str) -> str:
        """What a page says itself."""
        end = '\n' if text.endswith('\n') else ''  # which joined lines have lost
        return self._relink(wide_lists(text) + end, f'docs/{page}', page)

    def _sections(self, match: re.Match) -> list[Section]:
        source, is_section, title = match[1], match[2], match[3]
        if not (ROOT / source).is_file():
            raise ValueError(
                f'docs/: there is no {source} to include; correct the name'
            )
        sections = sections_of((ROOT / source).read_text(encoding='utf-8'))
        if not is_section:
            return sections
        if not title:
            return sections[:1]
        titles = [section.title for section in sections]
        if title not in titles:
            raise ValueError(
                f'docs/: {source} has no section {title!r} to include; correct the name'
            )
        start = titles.index(title)
        kept, skipped = [sections[start]], 0
        for section in sections[start + 1 :]:
            if section.level <= sections[start].level:
                break
            if skipped and section.level > skipped:
                continue
            named = (source, section.title) in self.named
            skipped = section.level if named else 0
            if not named:
                kept.append(section)
        return kept

    def _shift(self, text: str, match: re.Match) -> int:
        """By how much headings move: the first one to 1 or, below a title, to 2."""
        titled = any(HEADING.match(line) for line in text[: match.start()].splitlines())
        titled |= INCLUDE.search(text[: match.start()]) is not None
        levels = [s.level for s in self._sections(match) if s.level]
        return (2 if titled else 1) - levels[0] if levels else 0

    def _note_homes(self, page: str, text: str) -> None:
        for match in FILE.finditer(text):
            self.homes.setdefault((match[1], ''), Home(page, ''))
        for match in INCLUDE.finditer(text):
            for number, section in enumerate(self._sections(match)):
                first = number == 0 and self._shift(text, match) + section.level == 1
                home = Home(page, '' if first else anchor_of(section.title))
                self.homes.setdefault((match[1], anchor_of(section.title)), home)
                if number == 0 and not match[3]:
                    self.homes.setdefault((match[1], ''), home)

    def _relink(self, text: str, source: str, page: str) -> str:
        def link(match: re.Match) -> str:
            return f']({self._target(match[1], source, page)})'

        pieces = CODE.split(text)  # every second one is code
        pieces[::2] = [LINK.sub(link, piece) for piece in pieces[::2]]
        return ''.join(pieces)

    def _target(self, target: str, source: str, page: str) -> str:
        if '://' in target or target.startswith('mailto:'):
            return target
        path, _, anchor = target.partition('#')
        where = Path(source).parent / path if path else Path(source)
        name = os.path.normpath(where).replace(os.sep, '/')
        here = os.path.dirname(page) or '.'
        if name.endswith(PICTURES):
            return os.path.relpath(f'{IMAGES}/{Path(name).name}', here)
        home = self.homes.get((name, anchor))
        if name == 'docs':
            home = Home('index.md', '')
        elif name.startswith('docs/notebooks/') and (ROOT / name).is_file():
            home = Home(name.removeprefix('docs/'), '')  # the site holds the file
        elif name.startswith('docs/') and name.removeprefix('docs/') in self.pages:
            home = Home(name.removeprefix('docs/'), anchor)
        if home is None:
            raise ValueError(
                f'{source}: the link to {target} leads to no page of the site; name '
                f'{name} or that section of it in a page of docs/, as in '
                f'<!-- include {name}: TITLE -->'
            )
        found = os.path.relpath(home.page, here)
        return f'{found}#{home.anchor}' if home.anchor else found


def _shifted(section: Section, shift: int) -> str:
    if not section.level:
        return section.text
    heading, _, rest = section.text.partition('\n')
    return f'{"#" * (section.level + shift)} {section.title}\n{rest}'


def _file_block(match: re.Match) -> str:
    path = ROOT / match[1]
    if not path.is_file():
        raise ValueError(f'docs/: there is no {match[1]} to show; correct the name')
    text = path.read_text(encoding='utf-8').rstrip()
    kind = 'yaml' if path.suffix == '.cff' else path.suffix[1:]
    return f'```{kind}\n{text}\n```'
