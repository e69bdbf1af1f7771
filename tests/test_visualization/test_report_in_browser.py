"""A report in a real browser: it opens, draws, turns, and complains of nothing."""

import numpy as np
import pytest

from mmhand_dne.visualization.report.report_page import write_report
from tests.test_visualization.result_samples import make_result, sample_image
from tests.web_browser import Browser, missing_programs

pytest.importorskip('plotly', reason='the 3D viewer of a report comes with plotly')

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(missing_programs()), reason=missing_programs()),
]
IMAGES = 6
STAGE = '#image-0 .stage'
DRAWN = """const stage = document.querySelector('%s');
return Boolean(stage.querySelector('canvas') && stage._fullLayout &&
  stage._fullLayout.scene._scene.glplot)"""
CAMERA = f"return document.querySelector('{STAGE}').layout.scene.camera.eye"


@pytest.fixture(scope='module')
def browser(tmp_path_factory):
    folder = tmp_path_factory.mktemp('browser')
    entries = [
        (make_result(source=f'<script>x{i}.jpg'), None if i else sample_image())
        for i in range(IMAGES)
    ]
    write_report(folder / 'page.html', entries, lambda result: {'a.json': b'{}'})
    with Browser(folder / 'profile') as browser:
        browser.open(folder / 'page.html')
        yield browser


def opened(browser, number):
    browser.click(f'#image-{number} .start button')
    browser.wait_for(DRAWN % f'#image-{number} .stage')


def still(browser, selector=STAGE):
    """The picture once it no longer changes."""
    last = browser.picture(selector)
    for _ in range(40):
        now = browser.picture(selector)
        if now.shape == last.shape and (now == last).all():
            return now
        last = now
    raise AssertionError('the view never comes to rest')


def test_the_view_draws_both_hands_and_turns(browser):
    opened(browser, 0)
    front = still(browser)
    assert len(np.unique(front.reshape(-1, 3), axis=0)) > 500  # shaded, with a legend
    left, right = np.array_split(front[:, : -front.shape[1] // 6], 2, axis=1)
    for half in (left, right):
        assert (half < 235).any(axis=-1).mean() > 0.02
    before = browser.run(CAMERA)
    browser.drag(STAGE, 120, 30)
    turned = still(browser)
    assert browser.run(CAMERA) != before
    assert (turned != front).any(axis=-1).mean() > 0.05
    browser.click('#image-0 .reset')
    assert np.abs(still(browser).astype(int) - front).mean() < 1
    browser.run(f"document.querySelector('{STAGE}').focus()")
    browser.press('left')
    assert (still(browser) != front).any(axis=-1).mean() > 0.02
    eye = browser.run(CAMERA)
    assert np.linalg.norm(list(eye.values())) == pytest.approx(1.6, rel=1e-3)


def test_ellipsoids_and_sides_can_be_chosen(browser):
    browser.click('#image-0 .reset')
    before = still(browser)
    browser.click('#image-0 .ellipsoids')
    solid = still(browser)
    assert (solid != before).any(axis=-1).mean() > 0.03
    browser.run(
        "const s = document.querySelector('#image-0 .color'); "
        "s.value = 'side'; s.dispatchEvent(new Event('change'))"
    )
    browser.click('#image-0 .ellipsoids')
    plain = still(browser).astype(int)
    blue = (plain[..., 2] - plain[..., 0] > 60).mean()
    orange = (plain[..., 0] - plain[..., 2] > 60).mean()
    assert blue > 0.01 and orange > 0.01


def test_many_views_stay_within_what_a_browser_keeps(browser):
    for number in range(1, IMAGES):
        opened(browser, number)
    shown = browser.run(
        "return [...document.querySelectorAll('.stage')].map((stage) => !stage.hidden)"
    )
    assert shown == [False, False] + [True] * 4
    opened(browser, 0)  # and one that was closed opens again
    assert len(np.unique(still(browser).reshape(-1, 3), axis=0)) > 500


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
