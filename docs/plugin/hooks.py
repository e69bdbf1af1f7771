"""What MkDocs calls while it builds the site (``hooks`` in mkdocs.yml)."""

from typing import Any

import messages
import model_zoo
import notebook
import page_parts
from mkdocs.structure.files import File, Files

GENERATED = {
    '<!-- models -->': model_zoo.model_tables,
    '<!-- configs -->': model_zoo.config_tables,
    '<!-- messages -->': messages.message_list,
    '<!-- notebook -->': notebook.first_hands,
}
_PARTS: list[page_parts.Parts] = []


def on_files(files: Files, config: Any, **_) -> Files:
    """Read the pages, and add the pictures that they show of the project."""
    _PARTS[:] = [page_parts.Parts(page_parts.pages())]
    for name, path in _PARTS[0].pictures().items():
        files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Any, **_) -> str:
    """The text of a page, what it includes and what is generated filled in."""
    text = _PARTS[0].expand(page.file.src_uri)
    for line, make in GENERATED.items():
        if line in text:
            text = text.replace(line, make())
    return text
