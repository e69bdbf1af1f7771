"""One image of a report page as HTML: pictures, 3D view, numbers, downloads.

Names of files and problems are text from outside: everything goes through ``escape``.
"""

import mimetypes
from collections.abc import Mapping
from html import escape
from pathlib import PurePath

import numpy as np

from mmhand_dne.conventions import OPENPOSE_JOINTS, SIDES
from mmhand_dne.structures.hand_result import HandResult, ImageResult
from mmhand_dne.visualization.results.result_views import hand_names

from .report_data import file_uri, picture_uri, script_json

PHOTOGRAPH = 640  # pixels, longer side of the thumbnail
CAPTIONS = dict(
    overlay='Predicted meshes over the photograph',
    side='Seen from the right and from above',
    uncertainty='Uncertainty: standard deviation of the joints, in millimetres',
    coarse_refined='Mesh before and after refinement',
    maps='Auxiliary maps',
)


def article(
    number: int,
    result: ImageResult,
    image: np.ndarray | None,
    pictures: Mapping[str, np.ndarray],
    scene: dict,
    files: Mapping[str, bytes],
) -> str:
    """The HTML of one image.

    Args:
        number: of the image on the page, from 0.
        result: of the image.
        image: (h, w, 3) uint8 RGB, or None where it could not be read.
        pictures: kind -> (h, w, 3) uint8 RGB, as of ``draw_result``.
        scene: as of ``SceneStore.scene``.
        files: name -> bytes of what is offered for download.
    """
    parts = [
        f'<article id="image-{number}" aria-labelledby="title-{number}">',
        f'<h2 id="title-{number}">{escape(title(result))}</h2>',
        f'<p class="soft">{escape(subtitle(result))}</p>',
    ]
    if result.problem:
        parts.append(f'<p class="problem">{escape(clean(result.problem))}</p>')
    parts.append(_figures(result, image, pictures))
    if result.hands:
        parts += [_viewer(result, scene), _numbers(result)]
    parts += [_downloads(files), '</article>']
    return '\n'.join(part for part in parts if part)


def title(result: ImageResult) -> str:
    """The file's own name, with the frame's number for a video or camera."""
    source = clean(result.source)
    name = PurePath(source).name or source
    kind = mimetypes.guess_type(name)[0] or ''
    moving = kind.startswith('video/') or source.startswith('webcam')
    return f'{name}, frame {result.index}' if moving else name


def subtitle(result: ImageResult) -> str:
    """The image's folder and name, its size, and its hands in words.

    No more of the path than the folder: it may name a person.
    """
    width, height = result.size
    size = f'{width} x {height} pixels' if width else 'not read'
    source = PurePath(*PurePath(clean(result.source)).parts[-2:])
    return f'{source}, {size}, {hands(result)}'


def hands(result: ImageResult) -> str:
    """The hands in words: 'a right and a left hand', 'no hand'."""
    counts = [sum(h.side == side for h in result.hands) for side in SIDES]
    words = {0: '', 1: 'a {} hand'}
    said = [
        words.get(count, f'{count} {{}} hands').format(side)
        for count, side in zip(counts, SIDES)
    ]
    return ' and '.join(word for word in said if word) or 'no hand'


def clean(text: str) -> str:
    """Text that can be written as UTF-8: stray bytes of a file name are spelt out."""
    return text.encode('utf-8', 'backslashreplace').decode('utf-8')


def _figures(result: ImageResult, image, pictures: Mapping[str, np.ndarray]) -> str:
    name = title(result)
    figures = []
    if image is not None:
        alt = f'Photograph {name}'
        figures.append(_figure(picture_uri(image, PHOTOGRAPH), alt, 'Photograph'))
    for kind, picture in pictures.items():
        words = CAPTIONS[kind]
        alt = f'{words}: {hands(result)} in {name}'
        figures.append(_figure(picture_uri(picture), alt, words))
    return f'<div class="pictures">{"".join(figures)}</div>' if figures else ''


def _figure(uri: str, alt: str, words: str) -> str:
    return (
        f'<figure><img loading="lazy" decoding="async" src="{uri}" alt="{escape(alt)}">'
        f'<figcaption>{escape(words)}</figcaption></figure>'
    )


def _viewer(result: ImageResult, scene: dict) -> str:
    """The place of the 3D view, which opens on request, and its controls."""
    bars = scene['span'] is not None
    name = escape(title(result))
    label = escape(
        f'3D view of {hands(result)} in {title(result)}; the arrow keys turn'
    )
    remark = (
        f'<p class="soft">{escape(scene["remark"])}.</p>' if scene['remark'] else ''
    )
    chosen = '<option value="deviation">standard deviation</option>' if bars else ''
    turns = ''.join(
        f'<button type="button" data-turn="{key}" aria-label="Turn {way}">'
        f'{sign}</button>'
        for key, way, sign in (
            ('ArrowLeft', 'left', '←'),
            ('ArrowRight', 'right', '→'),
            ('ArrowUp', 'up', '↑'),
            ('ArrowDown', 'down', '↓'),
        )
    )
    return f"""<h3>In three dimensions</h3>
<div class="viewer">
<script type="application/json" class="scene">{script_json(scene)}</script>
<div class="start"><button type="button" aria-label="Open the 3D view of {name}"\
>Open the 3D view</button></div>
<div class="stage" tabindex="0" role="group" aria-label="{label}" hidden></div>
<div class="controls" hidden>
<span role="group" aria-label="Turn">{turns}</span>
<button type="button" class="reset">As in the photograph</button>
<label>Colour by <select class="color">{chosen}<option value="side">hand</option>\
</select></label>
<label{'' if bars else ' hidden'}><input type="checkbox" class="ellipsoids"> \
ellipsoids</label>
</div>
</div>
{remark}"""


def _numbers(result: ImageResult) -> str:
    """The table of the hands."""
    rows = ''.join(
        _row(hand, name) for hand, name in zip(result.hands, hand_names(result))
    )
    return f"""<h3>Numbers</h3>
<div class="scroll"><table>
<thead><tr><th scope="col">Hand</th><th scope="col">Presence</th>\
<th scope="col">Wrist right, down, away [m]</th><th scope="col">Metric</th>\
<th scope="col">Mean deviation [mm]</th><th scope="col">Least certain joint</th></tr>
</thead>
<tbody>{rows}</tbody>
</table></div>"""


def _row(hand: HandResult, name: str) -> str:
    wrist = 'unknown'
    if np.isfinite(hand.translation).all():
        wrist = ', '.join(f'{value:.3f}' for value in hand.translation)
    metric = 'yes, from the given K' if hand.metric else 'no, focal length assumed'
    mean = worst = 'no error bars'
    if hand.joint_std is not None:
        std = np.asarray(hand.joint_std)[1:]  # the wrist has none
        joint = int(std.argmax())
        mean = f'{std.mean():.1f}'
        worst = f'{OPENPOSE_JOINTS[joint + 1]}, {std[joint]:.1f} mm'
    cells = (f'{hand.presence:.2f}', wrist, metric, mean, worst)
    dot = f'<span class="dot {hand.side}" aria-hidden="true">{name}</span>'
    return (
        f'<tr><th scope="row">{dot}{hand.side}</th>'
        + ''.join(f'<td>{escape(cell)}</td>' for cell in cells)
        + '</tr>'
    )


def _downloads(files: Mapping[str, bytes]) -> str:
    if not files:
        return ''
    items = ''.join(
        f'<li><a download="{escape(clean(name))}" href="{file_uri(name, data)}">'
        f'{escape(clean(name))} ({_size(len(data))})</a></li>'
        for name, data in files.items()
    )
    return f'<h3>Downloads</h3>\n<ul class="downloads">{items}</ul>'


def _size(count: int) -> str:
    return f'{max(1, round(count / 1000))} kB'
