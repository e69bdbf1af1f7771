"""A report: one HTML file with pictures, 3D views, numbers and downloads, offline."""

from collections.abc import Callable, Iterable, Mapping
from html import escape
from importlib import resources
from pathlib import Path
from string import Template

import numpy as np

from mmhand_dne.fileio.atomic import write_whole
from mmhand_dne.structures.hand_result import ImageResult
from mmhand_dne.version import __version__
from mmhand_dne.visualization.results.hand_uncertainty import ELLIPSOID_SHARE
from mmhand_dne.visualization.results.result_pictures import draw_result

from .report_article import article, title
from .report_data import SceneStore, script_json
from .report_library import library_licence, packed_library

KINDS = ('overlay', 'uncertainty', 'coarse_refined', 'side', 'maps')
PICTURE = 600  # pixels, longer side of the photograph in the drawn pictures
EXPLANATION = f"""<ul>
<li>Right hands are blue and marked R, left hands are orange and marked L.</li>
<li>The standard deviation of a joint is the square root of the trace of its
covariance, in millimetres, of its position relative to the wrist; the wrist's own is
zero by definition. A point of the mesh has the value of the nearest point of the
skeleton. Dark is certain, bright is uncertain.</li>
<li>An ellipsoid holds the true joint with a probability of {ELLIPSOID_SHARE:.0%}, if
the error bars are honest.</li>
<li>Axes are the camera's: right, down, away from it. The distance is metric where the
camera's matrix K was given; otherwise a focal length is assumed, and the distance
has that scale.</li>
</ul>"""


def write_report(
    path: str | Path,
    entries: Iterable[tuple[ImageResult, np.ndarray | None]],
    files: Callable[[ImageResult], Mapping[str, bytes]] | None = None,
    heading: str = 'Hands',
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
    Raises:
        ModuleNotFoundError: if plotly, which brings the viewer, is not installed.
        ValueError: if an image is not that of its result.
        OSError: if the file cannot be written.
    """
    library, licence = packed_library(), library_licence()
    store = SceneStore()
    articles, results = [], []
    for number, (result, image) in enumerate(entries):
        pictures = _pictures(result, image)
        downloads = {} if files is None else files(result)
        scene = store.scene(result)
        articles.append(article(number, result, image, pictures, scene, downloads))
        results.append((title(result), len(result.hands)))
    page = Template(_asset('page.html')).substitute(
        title=escape(heading),
        style=_asset('page.css'),
        summary=_summary([count for _, count in results]),
        contents=_contents([name for name, _ in results]),
        articles='\n'.join(articles) or '<p>There was nothing to show.</p>',
        explanation=EXPLANATION,
        licence=escape(licence),
        version=escape(__version__),
        shared=script_json(store.shared()),
        library=library,
        script=_asset('page.js'),
    )
    write_whole(path, page)


def _pictures(result: ImageResult, image: np.ndarray | None) -> dict:
    """What is drawn beside the photograph; nothing without hands."""
    if image is None or not result.hands:
        return {}
    return draw_result(image, result, KINDS, PICTURE)


def _summary(counts: list[int]) -> str:
    found, images = sum(counts), len(counts)
    return (
        f'{found} hand{"" if found == 1 else "s"} in '
        f'{images} image{"" if images == 1 else "s"}.'
    )


def _contents(names: list[str]) -> str:
    """Links to the images where there is more than one."""
    if len(names) < 2:
        return ''
    items = ''.join(
        f'<li><a href="#image-{i}">{escape(name)}</a></li>'
        for i, name in enumerate(names)
    )
    return f'<nav aria-label="Images"><ul class="contents">{items}</ul></nav>'


def _asset(name: str) -> str:
    folder = resources.files(__package__) / 'assets'
    return (folder / name).read_text(encoding='utf-8').strip()
