"""A report: one HTML file with pictures, 3D views, numbers and downloads, offline.

[decided] The 3D viewer is plotly.js, of the package plotly. Of the packages that ship
such a library it is the one that says so in its documentation
(``plotly.offline.get_plotlyjs``), has the licence's text in its wheel, is released
monthly, and draws meshes with values at their vertices beside a colour bar. It is
4.8 MB, which a page holds once, compressed to 2 MB.
"""

import base64
import gzip
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib import metadata, resources
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import write_whole
from mmhand_dne.structures.hand_result import ImageResult
from mmhand_dne.version import __version__
from mmhand_dne.visualization.results.hand_uncertainty import ELLIPSOID_SHARE
from mmhand_dne.visualization.results.result_pictures import draw_result

from .report_article import Article, make_article
from .report_data import SceneStore

KINDS = ('overlay', 'uncertainty', 'coarse_refined', 'side', 'maps')
PICTURE = 600  # pixels, longer side of the image in the drawn pictures
ASSETS = 'assets'  # the folder of templates, style and script
REMEDY = "pip install 'mmhand_dne[report]'"


def write_report(
    path: str | Path,
    entries: Iterable[tuple[ImageResult, np.ndarray | None]],
    files: Callable[[ImageResult], Mapping[str, bytes]] | None = None,
    heading: str = 'Hands',
    caution: str = '',
) -> None:
    """Write a page that needs nothing but itself.

    An image adds about 0.3 MB and its downloads; the 3D viewer adds 2 MB to a page.
    3D views open on request, four at a time, so that a page of many images stays quick.
    The file appears when it is complete; what was there before stays until then.

    Args:
        path: of the HTML file; its folder is made.
        entries: results with their images (h, w, 3) uint8 RGB, None where one could
            not be read. Taken one after the other and not kept.
        files: gives a result's downloads, name -> bytes; none by default.
        heading: of the page.
        caution: a sentence about the model that stands below the heading.
    Raises:
        ModuleNotFoundError: if plotly, which brings the viewer, is not installed.
        ValueError: if an image is not that of its result.
        OSError: if the file cannot be written.
    """
    library, licence = packed_library(), library_licence()
    store = SceneStore()
    articles = []
    for number, (result, image) in enumerate(entries):
        pictures = _pictures(result, image)
        downloads = {} if files is None else files(result)
        scene = store.scene(result)
        articles.append(make_article(number, result, image, pictures, scene, downloads))
    page = page_templates().get_template('page.html')
    text = page.render(
        heading=heading,
        caution=caution,
        style=_own_text('page.css'),
        summary=_summary(articles),
        articles=articles,
        ellipsoid_share=f'{ELLIPSOID_SHARE:.0%}',
        licence=licence,
        version=__version__,
        shared=store.shared(),
        library=library,
        script=_own_text('page.js'),
    )
    write_whole(path, text)


def page_templates() -> Environment:
    """The page's templates: whatever they are given becomes text, never markup.

    The filter ``tojson`` writes JSON that may stand inside a script element.
    """
    templates = Environment(
        loader=PackageLoader(__package__, ASSETS),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    templates.policies['json.dumps_kwargs'] = dict(
        allow_nan=False, separators=(',', ':')
    )
    return templates


@lru_cache(maxsize=1)
def packed_library() -> str:
    """The 3D viewer's library, compressed by gzip and in base64.

    Raises:
        ModuleNotFoundError: if plotly is not installed.
    """
    try:
        from plotly.offline import get_plotlyjs
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"the report's 3D view comes with plotly, which is not installed; {REMEDY}"
        ) from error
    # Without a time stamp: the same results give the same page.
    packed = gzip.compress(get_plotlyjs().encode(), compresslevel=9, mtime=0)
    return base64.b64encode(packed).decode('ascii')


def library_licence() -> str:
    """Name, version and licence of the library, as its package states them.

    Raises:
        ValueError: if the package has lost its licence, without which the page must
            not carry the library.
    """
    package = metadata.distribution('plotly')
    for file in package.files or []:
        if file.name.upper().startswith('LICEN') and '.dist-info' in str(file):
            text = file.locate().read_text(encoding='utf-8').strip()
            return f'plotly.js, from the package plotly {package.version}\n\n{text}'
    raise UserError(
        f'plotly {package.version} is installed without its licence file, expected '
        'LICENSE.txt beside its metadata; reinstall it: pip install --force-reinstall '
        'plotly'
    )


def _pictures(result: ImageResult, image: np.ndarray | None) -> dict[str, np.ndarray]:
    """What is drawn beside the image; nothing without hands."""
    if image is None or not result.hands:
        return {}
    return draw_result(image, result, KINDS, PICTURE)


def _summary(articles: list[Article]) -> str:
    found, images = sum(len(article.rows) for article in articles), len(articles)
    return (
        f'{found} hand{"" if found == 1 else "s"} in '
        f'{images} image{"" if images == 1 else "s"}.'
    )


def _own_text(name: str) -> Markup:
    """The page's style or script: the one text that is not escaped."""
    file = resources.files(__package__) / ASSETS / name
    return Markup(file.read_text(encoding='utf-8').strip())
