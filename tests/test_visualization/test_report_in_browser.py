"""A report in a real browser: it opens, draws, turns, and complains of nothing."""

import re

import cv2
import numpy as np
import pytest

from mmhand_dne.apis.result_writers.report_clip import ReportClip
from mmhand_dne.visualization.report.report_page import write_report
from tests.test_visualization.result_samples import (
    make_hand,
    make_result,
    sample_image,
)
from tests.web_browser import Browser, missing_programs

pytest.importorskip('plotly', reason='the 3D viewer of a report comes with plotly')

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(missing_programs()), reason=missing_programs()),
]
IMAGES = 6
A4 = (703, 1032)  # CSS pixels between margins of 12 mm
EDGE = 8  # pixels of rounded corners
HAND = '#image-0 .hand'  # the right one, the first
STAGE = f'{HAND} .stage'
DRAWN = """const stage = document.querySelector('%s');
return Boolean(stage.querySelector('canvas') && stage._fullLayout &&
  stage._fullLayout.scene._scene.glplot)"""
CAMERA = f"return document.querySelector('{STAGE}').layout.scene.camera.eye"


CHOOSE = f"""const s = document.querySelector('{HAND} .color');
s.value = arguments[0]; s.dispatchEvent(new Event('change'))"""
WIDE = """return [document.documentElement.scrollWidth,
  document.documentElement.clientWidth]"""
CUT = """return [...document.querySelectorAll('article *')].filter((e) =>
  e.getClientRects().length && !e.closest('.stage') &&
  e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.className)"""
PAPER = """const of = (e) => getComputedStyle(e).backgroundColor.match(/\\d+/g)
  .map(Number);
return [of(document.body), of(document.querySelector('article'))]"""
INK = """return getComputedStyle(document.querySelector('dd')).color.match(/\\d+/g)
  .map(Number)"""


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp('browser')
    entries = [
        (make_result(source=f'<script>x{i}.jpg'), None if i else sample_image())
        for i in range(IMAGES)
    ]
    with ReportClip('clip.mp4', 10.0) as clip:
        for i in range(12):
            clip.add(np.roll(sample_image(), 9 * i, axis=1), i / 10)
    write_report(
        folder / 'page.html',
        entries,
        lambda result: {'a.json': b'{}'},
        video=clip.take(),
    )
    with Browser(folder / 'profile') as browser:
        browser.open(folder / 'page.html')
        yield browser


def opened(browser, number):
    browser.click(f'#image-{number} .start button')
    browser.wait_for(DRAWN % f'#image-{number} .hand .stage')


@pytest.fixture
def view(browser):
    """The right hand's 3D view, open and as in the photograph."""
    if browser.run(f"return document.querySelector('{STAGE}').hidden"):
        opened(browser, 0)
    for name in ('skeleton', 'ellipsoids', 'others'):
        if browser.run(f"return document.querySelector('{HAND} .{name}').checked"):
            browser.click(f'{HAND} .{name}')
    browser.click(f'{HAND} .reset')
    return still(browser)


def ground(picture):
    """Pixels of the background."""
    return np.abs(picture.astype(int) - picture[-EDGE, EDGE]).max(axis=-1) < 8


def still(browser, selector=STAGE):
    """The picture once it no longer changes."""
    last = browser.picture(selector)
    for _ in range(40):
        now = browser.picture(selector)
        if now.shape == last.shape and (now == last).all():
            return now
        last = now
    raise AssertionError('the view never comes to rest')


def test_the_view_shows_its_hand_and_turns(browser, view):
    front = view
    assert len(np.unique(front.reshape(-1, 3), axis=0)) > 500  # shaded
    before = browser.run(CAMERA)
    browser.drag(STAGE, 120, 30)
    turned = still(browser)
    assert browser.run(CAMERA) != before
    assert (turned != front).any(axis=-1).mean() > 0.05
    browser.click(f'{HAND} .reset')  # one click, as in the photograph
    assert np.abs(still(browser).astype(int) - front).mean() < 1
    browser.run(f"document.querySelector('{STAGE}').focus()")
    browser.press('left')
    assert (still(browser) != front).any(axis=-1).mean() > 0.02
    eye = browser.run(CAMERA)
    assert np.linalg.norm(list(eye.values())) == pytest.approx(2, rel=1e-3)


def test_the_hand_fills_the_frame_and_lies_as_in_the_photograph(view):
    """Its outline is that of the projected mesh, at any scale."""
    blobs = (~ground(view)).astype(np.uint8)
    _, _, boxes, _ = cv2.connectedComponentsWithStats(blobs)
    left, top, width, height = max(boxes[1:], key=lambda box: box[-1])[:4]
    hand = make_hand(0)
    wide, high = np.ptp(hand.vertices_2d, axis=0)
    assert width / height == pytest.approx(wide / high, rel=0.05)
    assert max(width, height) > 0.7 * view.shape[0]


@pytest.mark.parametrize('turns', [0, 3, 6])
def test_no_name_of_an_axis_is_cut(browser, view, turns):
    for _ in range(turns):
        browser.click(f'{HAND} [data-turn=ArrowLeft]')
    picture = still(browser)[EDGE:-EDGE, EDGE:-EDGE]
    empty = ground(picture)
    buttons = (slice(0, 40), slice(-150, None))  # the library's own
    empty[buttons] = True
    assert empty[:3].all() and empty[-3:].all()
    assert empty[:, :3].all() and empty[:, -3:].all()
    texts = ~empty & (np.ptp(picture.astype(int), axis=-1) < 40)  # grey, as no mesh is
    assert texts.sum() > 150


def test_skeleton_ellipsoids_opacity_and_colours_can_be_chosen(browser, view):
    browser.click(f'{HAND} .ellipsoids')
    solid = still(browser)
    assert (solid != view).any(axis=-1).mean() > 0.03
    browser.click(f'{HAND} .ellipsoids')
    slide = (
        f"const o = document.querySelector('{HAND} .opacity'); o.value = arguments[0];"
        "o.dispatchEvent(new Event('input'))"
    )
    browser.run(slide, 20)
    pale = still(browser)
    shown = ~ground(view)
    strength = [np.abs(p.astype(int) - p[-5, 5])[shown].mean() for p in (view, pale)]
    assert strength[1] < 0.6 * strength[0]
    browser.click(f'{HAND} .skeleton')
    bones = still(browser)
    assert (np.abs(bones.astype(int) - pale).max(axis=-1) > 60).mean() > 0.005
    browser.click(f'{HAND} .skeleton')
    browser.run(slide, 100)
    browser.run(CHOOSE, 'side')
    browser.click(f'{HAND} .others')
    plain = still(browser).astype(int)
    browser.click(f'{HAND} .others')
    browser.run(CHOOSE, 'deviation')
    blue = (plain[..., 2] - plain[..., 0] > 60).mean()
    orange = (plain[..., 0] - plain[..., 2] > 60).mean()
    assert blue > 0.01 and orange > 0.01


def test_many_views_stay_within_what_a_browser_keeps(browser):
    for number in range(1, IMAGES):
        opened(browser, number)
    shown = browser.run(
        "return [...document.querySelectorAll('.hand:nth-of-type(1) .stage')]"
        '.map((stage) => !stage.hidden)'
    )
    assert shown == [False, False] + [True] * 4
    opened(browser, 0)  # and one that was closed opens again
    assert len(np.unique(still(browser).reshape(-1, 3), axis=0)) > 500


@pytest.mark.parametrize('dark', [False, True])
@pytest.mark.parametrize('width', [390, 1280])
def test_it_fits_a_phone_and_a_screen_by_day_and_by_night(browser, width, dark):
    browser.look(width, dark)
    try:
        whole, seen = browser.run(WIDE)
        assert whole == seen and browser.run(CUT) == []
        grounds, ink = np.array(browser.run(PAPER)), np.array(browser.run(INK))
        assert (grounds < 64).all() if dark else (grounds > 230).all()
        assert np.abs(grounds[1] - ink).min() > 150
        browser.show(STAGE)
        picture = still(browser)  # the 3D view follows
        assert (
            (picture[-EDGE, EDGE] < 64).all()
            if dark
            else (picture[-EDGE, EDGE] > 230).all()
        )
    finally:
        browser.look(1100)


def test_it_prints_whole(browser):
    """No page is empty but for a title, and pictures stand where the 3D views are."""
    browser.look(A4[0])
    browser.command('Emulation.setEmulatedMedia', media='print')
    try:
        sizes = browser.run(
            "return [...document.querySelectorAll('#image-0 .hand')].map((hand) =>"
            '[hand.getBoundingClientRect().bottom + scrollY, hand.offsetHeight,'
            '...[...hand.querySelectorAll("img")].map((i) => i.offsetHeight),'
            'hand.querySelector(".stage").offsetHeight])'
        )
        seen = browser.run(
            "return ['video', 'button', 'nav', '.downloads', '.poster'].map((name) =>"
            'document.querySelector(name).offsetHeight > 0)'
        )
        length = browser.run('return document.body.scrollHeight')
    finally:
        browser.command('Emulation.setEmulatedMedia', media='')
        browser.look(1100)
    assert seen == [False] * 4 + [True]
    assert sizes[0][0] < A4[1]  # the title is not alone on the first page
    for _, height, *pictures, stage in sizes:
        assert stage == 0 and len(pictures) == 6 and min(pictures) > 60
        assert height < A4[1] / 2
    pages = len(re.findall(rb'/Type\s*/Page\b', browser.printed()))
    assert length / A4[1] <= pages <= length / A4[1] + 2  # little is pushed on


def test_a_video_plays(browser):
    browser.run("document.querySelector('video').muted = true")
    browser.run("document.querySelector('video').play()")
    time = browser.wait_for(
        "const v = document.querySelector('video'); return v.error || v.currentTime"
    )
    assert isinstance(time, float)
    size = browser.run(
        "const v = document.querySelector('video'); return [v.videoWidth, v.duration]"
    )
    assert size[0] == 300 and size[1] == pytest.approx(1.2, abs=0.15)


def test_it_asks_no_server_and_reports_no_error(browser):
    assert (
        browser.run(
            "return performance.getEntriesByType('resource')"
            ".filter((r) => !r.name.startsWith('data:')).length"
        )
        == 0
    )
    assert browser.run("return document.querySelectorAll('.modebar-btn').length") > 0
    titles = browser.run(
        "return [...document.querySelectorAll('.modebar-btn')]"
        '.map((b) => b.dataset.title).join()'
    )
    assert 'Share' not in titles and 'Cloud' not in titles
    assert browser.errors() == []
