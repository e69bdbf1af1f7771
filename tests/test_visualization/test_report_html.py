"""A report is one page that needs nothing else and says what the results say."""

import base64
import gzip
import json
import re
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from mmhand_dne.visualization.report import report_page
from mmhand_dne.visualization.report.report_page import page_templates, write_report
from mmhand_dne.visualization.results.hand_uncertainty import ELLIPSOID_RADIUS
from tests.test_visualization.result_samples import (
    make_hand,
    make_result,
    sample_image,
)

pytest.importorskip('plotly', reason='the 3D viewer of a report comes with plotly')

EVIL = 'pictures/<script>alert(1)<script>"\'&.jpg'
FILES = {'photo.json': b'{"a": 1}', 'pho<to>.glb': bytes(range(256))}
VOID = {'meta', 'link', 'img', 'input', 'br'}


class Page(HTMLParser):
    """Elements and texts of a page; refuses tags that are closed in the wrong order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.stack, self.text = [], [], ''
        self.contents = {}
        self.feed(text)
        self.close()
        assert not self.stack

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.stack.pop()[0] == tag

    def handle_data(self, data):
        if self.stack and self.stack[-1][0] in ('script', 'style'):
            attrs = self.stack[-1][1]
            key = attrs.get('id') or attrs.get('class') or self.stack[-1][0]
            self.contents.setdefault(key, []).append(data)
        else:
            self.text += data

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp('report') / 'new' / 'report.html'
    nothing = make_result(
        [], source='b.png', index=1, size=(0, 0), problem='b.png: cannot be read <b>'
    )
    entries = [(make_result(source=EVIL), sample_image()), (nothing, None)]
    write_report(path, iter(entries), files=lambda result: FILES)
    return path


@pytest.fixture(scope='module')
def page(path):
    return Page(path.read_text(encoding='utf-8'))


def array(text, shape, dtype='<f4'):
    return np.frombuffer(base64.b64decode(text), dtype).reshape(shape)


def test_it_is_one_file_that_refers_to_no_other(path, page):
    assert [file.name for file in path.parent.iterdir()] == ['report.html']
    for tag, attrs in page.elements:
        for name in ('src', 'href', 'srcset', 'action', 'data', 'poster'):
            assert attrs.get(name, '#').startswith(('#', 'data:')), (tag, attrs)
    assert 'url(' not in page.contents['style'][0]
    assert '@import' not in page.contents['style'][0]
    script = page.contents['script'][0]
    assert not re.search(r'https?:|fetch\(|XMLHttpRequest|import\(', script)


def test_names_and_problems_are_text_and_never_markup(path, page):
    assert len(page.all('script')) == 4  # shared, library, one scene, the page's own
    assert EVIL in page.text and 'cannot be read <b>' in page.text
    assert not page.all('b')
    assert EVIL not in path.read_text(encoding='utf-8')
    assert [a['download'] for a in page.all('a') if 'download' in a][:2] == list(FILES)


INJECTIONS = (
    '</script><img src=x onerror=alert(1)>.jpg',
    '"><svg onload=alert(1)>.jpg',
    "' onmouseover='alert(1).jpg",
    '--></title></style><!--.mp4',
    '{{ 7 * 7 }}{% raw %}&lt;.jpg',
)


@pytest.mark.parametrize('name', INJECTIONS)
def test_no_text_of_a_result_becomes_markup(tmp_path, name):
    result = make_result([make_hand(0)], source=f'a{name}/{name}', problem=name)
    write_report(
        tmp_path / 'r.html',
        [(result, sample_image()), (result, None)],
        lambda result: {name: b'0'},
        heading=name,
    )
    page = Page((tmp_path / 'r.html').read_text(encoding='utf-8'))
    plain = make_result([make_hand(0)], source='a/b.mp4', problem='c')
    write_report(
        tmp_path / 'p.html',
        [(plain, sample_image()), (plain, None)],
        lambda result: {'d': b'0'},
        heading='e',
    )
    expected = Page((tmp_path / 'p.html').read_text(encoding='utf-8'))
    found = [(tag, sorted(attrs)) for tag, attrs in page.elements]
    assert found == [(tag, sorted(attrs)) for tag, attrs in expected.elements]
    assert name in page.text and page.all('a')[-1]['download'] == name


def test_data_cannot_end_the_script_that_holds_it():
    value = {'</script><!--&': ['<script>']}
    text = page_templates().from_string('{{ value | tojson }}').render(value=value)
    assert not set(text) & set('<>&') and json.loads(text) == value


def test_vertices_come_back_as_they_were(page):
    shared = json.loads(page.contents['shared'][0])
    (scene,) = (json.loads(text) for text in page.contents['scene'])
    result = make_result()
    first = result.hands[0].translation
    for hand, stored in zip(result.hands, scene['hands']):
        vertices = array(stored['vertices'], (-1, 3))
        expected = hand.vertices + (hand.translation - first)
        np.testing.assert_array_equal(vertices, expected.astype(np.float32))
        faces = array(shared['faces'][stored['faces']], (-1, 3), '<u2')
        np.testing.assert_array_equal(faces, hand.faces)
        axes = array(stored['axes'], (-1, 3, 3)) / ELLIPSOID_RADIUS
        np.testing.assert_allclose(
            axes @ axes.transpose(0, 2, 1), hand.joint_covariance[1:], atol=1e-9
        )
        np.testing.assert_allclose(
            array(stored['stds'], -1), hand.joint_std[1:], rtol=1e-6
        )
        assert len(array(stored['deviation'], -1)) == len(vertices)
    assert [hand['name'] for hand in scene['hands']] == ['R', 'L']
    assert scene['span'] == 25.0


def test_the_downloads_are_the_files(page):
    links = [a for a in page.all('a') if 'download' in a]
    for link in links:
        head, data = link['href'].split(',')
        assert base64.b64decode(data) == FILES[link['download']]
        assert head.endswith(';base64')
    assert len(links) == 4 and 'model/gltf-binary' in links[1]['href']


def test_pictures_have_a_text_and_are_small(page):
    images = page.all('img')
    assert len(images) == 5  # image, overlay, uncertainty, refinement, side
    for image in images:
        assert 'a right hand and a left hand' in image['alt'] or (
            image['alt'].startswith('Photograph')
        )
        data = base64.b64decode(image['src'].split(',')[1])
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert max(decoded.shape) <= 900 and len(data) < 100_000


def test_the_page_can_be_read_without_a_mouse(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch('h[1-6]', tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:]))
    names = {attrs['id'] for _, attrs in page.elements if 'id' in attrs}
    assert all(a['href'][1:] in names for a in page.all('a') if a['href'][0] == '#')
    stage = next(a for a in page.all('div') if a.get('class') == 'stage')
    assert stage['tabindex'] == '0' and 'arrow keys' in stage['aria-label']
    assert page.all('html')[0]['lang'] == 'en'
    assert {a['scope'] for a in page.all('th')} == {'row', 'col'}


def test_the_numbers_are_those_of_the_result(page):
    hand = make_result().hands[1]
    for text in (
        '0.87',
        '-0.055, 0.080, 0.740',
        'yes, from the given K',
        f'{hand.joint_std[1:].mean():.1f}',
    ):
        assert text in page.text


def test_the_viewer_is_plotly_with_its_licence(page):
    script = gzip.decompress(base64.b64decode(page.contents['library'][0])).decode()
    assert 'plotly.js v' in script[:200]
    assert 'Permission is hereby granted' in page.text and 'Plotly' in page.text


def test_without_plotly_the_remedy_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__('sys').modules, 'plotly.offline', None)
    report_page.packed_library.cache_clear()
    with pytest.raises(ModuleNotFoundError, match=r'pip install .mmhand_dne\[report\]'):
        write_report(tmp_path / 'r.html', [])
    assert not list(tmp_path.iterdir())


def test_hands_without_error_bars_or_distance_have_a_page_too(tmp_path):
    lost = make_hand(1, uncertain=False, refined=False, metric=False)
    bare = [make_hand(0, uncertain=False, refined=False, metric=False), lost]
    object.__setattr__(bare[1], 'translation', np.full(3, np.nan))
    name = 'b\udce4ren/clip.mp4'  # a name that is not UTF-8
    write_report(
        tmp_path / 'r.html', [(make_result(bare, source=name, index=7), sample_image())]
    )
    page = Page((tmp_path / 'r.html').read_text(encoding='utf-8'))
    (scene,) = (json.loads(text) for text in page.contents['scene'])
    assert scene['span'] is None and scene['hands'][0]['deviation'] is None
    assert 'clip.mp4, frame 7' in page.text and 'unknown' in page.text
    assert 'side by side' in scene['remark']


def test_a_report_that_fails_leaves_the_old_one(tmp_path):
    path = tmp_path / 'r.html'
    path.write_text('old')
    with pytest.raises(ValueError, match='the result is of'):
        write_report(path, [(make_result(), sample_image()[1:])])
    path.parent.joinpath('r').mkdir()
    with pytest.raises(OSError):
        write_report(tmp_path / 'r', [])  # a folder has that name
    assert path.read_text() == 'old'
    assert sorted(file.name for file in tmp_path.iterdir()) == ['r', 'r.html']


def test_an_image_adds_little(path, page):
    library = len(page.contents['library'][0])
    assert library < 2_500_000
    assert path.stat().st_size - library < 300_000
