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
from dataclasses import dataclass
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
from mmhand_dne.visualization.canvas.uncertainty_colors import color_scale, ticks
from mmhand_dne.visualization.results.hand_tiles import draw_hand_tiles
from mmhand_dne.visualization.results.hand_uncertainty import ELLIPSOID_SHARE
from mmhand_dne.visualization.results.result_pictures import draw_result
from mmhand_dne.visualization.results.result_views import run_span

from .report_article import Article, make_article
from .report_data import SceneStore, file_uri, picture_uri

KINDS = ('whole', 'maps')
TILE = 240  # pixels, side of a hand's pictures, which a page shows 163 wide
VIEW = 256  # pixels, side of its views from other sides, shown 239 wide
PICTURE = 600  # pixels, longer side of the image in the drawn pictures
SAMPLES = 2  # along each side of a pixel at edges: a page shows pictures smaller
ASSETS = 'assets'  # the folder of templates, style and script
REMEDY = "pip install 'mmhand_dne[report]'"


@dataclass(frozen=True)
class ReportVideo:
    """A video that plays in the page.

    Attributes:
        name: of a file of such content; its ending tells the type.
        content: the file's bytes, of a kind that browsers play.
        poster: (h, w, 3) uint8 RGB, what stands there before it plays, and in print.
        words: the caption.
    """

    name: str
    content: bytes
    poster: np.ndarray
    words: str


def write_report(
    path: str | Path,
    entries: Iterable[tuple[ImageResult, np.ndarray | None]],
    files: Callable[[ImageResult], Mapping[str, bytes]] | None = None,
    heading: str = 'Hands',
    caution: str = '',
    span: float | None = None,
    video: ReportVideo | None = None,
) -> None:
    """Write a page that needs nothing but itself, on a screen or on paper.

    An image adds about 0.3 MB and its downloads; the 3D viewer adds 2 MB to a page.
    3D views open on request, four at a time, so that a page of many images stays quick;
    before that, and in print, pictures of the mesh from two sides stand there.
    The file appears when it is complete; what was there before stays until then.

    Args:
        path: of the HTML file; its folder is made.
        entries: results with their images (h, w, 3) uint8 RGB, None where one could
            not be read. Taken one after the other and not kept where ``span`` is given.
        files: gives a result's downloads, name -> bytes; none by default.
        heading: of the page.
        caution: a sentence about the model that stands below the heading.
        span: where the colours of deviations end on the whole page, millimetres; by
            default as all entries together ask for, which are kept for that.
        video: to play above the images.
    Raises:
        ModuleNotFoundError: if plotly, which brings the viewer, is not installed.
        ValueError: if an image is not that of its result.
        OSError: if the file cannot be written.
    """
    library, licence = packed_library(), library_licence()
    if span is None:
        entries = list(entries)
        span = run_span(result for result, _ in entries)
    store = SceneStore()
    articles = []
    for number, (result, image) in enumerate(entries):
        downloads = {} if files is None else files(result)
        drawn = _pictures(result, image, span)
        scene = store.scene(result)
        articles.append(make_article(number, result, image, *drawn, scene, downloads))
    page = page_templates().get_template('page.html')
    text = page.render(
        heading=heading,
        caution=caution,
        style=_own_text('page.css'),
        summary=_summary(articles),
        articles=articles,
        video=video and _page_video(video),
        legend=span and _legend(span),
        ellipsoid_share=f'{ELLIPSOID_SHARE:.0%}',
        licence=licence,
        version=__version__,
        shared=store.shared(span),
        library=library,
        script=_own_text('page.js'),
    )
    write_whole(path, text)


def check_report() -> None:
    """Refuse, before anything is computed for it, a report that cannot be written.

    Raises:
        ModuleNotFoundError: if plotly is not installed.
    """
    try:
        metadata.distribution('plotly')
    except metadata.PackageNotFoundError as error:
        raise _no_viewer() from error


def _no_viewer() -> ModuleNotFoundError:
    return ModuleNotFoundError(
        f"the report's 3D view comes with plotly, which is not installed; {REMEDY}"
    )


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
        raise _no_viewer() from error
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


def _pictures(
    result: ImageResult, image: np.ndarray | None, span: float | None
) -> tuple[dict[str, np.ndarray], list[dict[str, np.ndarray]]]:
    """What is drawn of the whole image, nothing without hands, and of each hand."""
    if image is None or not result.hands:
        return {}, [{} for _ in result.hands]
    tiles = [
        draw_hand_tiles(image, result, number, TILE, span, SAMPLES, VIEW)
        for number in range(len(result.hands))
    ]
    return draw_result(image, result, KINDS, PICTURE, span, SAMPLES), tiles


def _page_video(video: ReportVideo) -> dict[str, str]:
    return dict(
        uri=file_uri(video.name, video.content),
        poster=picture_uri(video.poster),
        words=video.words,
    )


def _legend(span: float) -> dict:
    """Colours from left to right, and (share of the width, number) of the ticks."""
    return dict(
        colors=', '.join(color for _, color in color_scale()),
        ticks=[(round(100 * tick / span, 2), f'{tick:g}') for tick in ticks(span)],
    )


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
