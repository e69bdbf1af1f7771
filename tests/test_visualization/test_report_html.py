"""A report is one page that needs nothing else and says what the results say."""

import base64
import gzip
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from mmhand_dne.visualization.report import ReportVideo, report_page
from mmhand_dne.visualization.report.hand_row import make_row
from mmhand_dne.visualization.report.joint_words import joint_words
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
VIDEO = ReportVideo('a.mp4', b'film', sample_image(), 'a film <i>')


class Page(HTMLParser):
    """Elements and texts of a page; refuses tags that are closed in the wrong order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.stack, self.text = [], [], ''
        self.contents, self.parts = {}, {}
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
            self.stack[-1:] and self.inside(data)

    def inside(self, data):
        """Keep the texts of the elements by their class."""
        for _, attrs in self.stack:
            for name in (attrs.get('class') or '').split():
                self.parts.setdefault(name, []).append(data.strip())

    def all(self, tag):
        return [attrs for name, attrs in self.elements if name == tag]


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp('report') / 'new' / 'report.html'
    nothing = make_result(
        [], source='b.png', index=1, size=(0, 0), problem='b.png: cannot be read <b>'
    )
    entries = [(make_result(source=EVIL), sample_image()), (nothing, None)]
    write_report(path, iter(entries), files=lambda result: FILES, video=VIDEO)
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
        joints = array(stored['joints'], (21, 3))
        np.testing.assert_allclose(
            joints, hand.joints + (hand.translation - first), atol=1e-6
        )
        np.testing.assert_allclose(
            array(stored['joint_stds'], 21), hand.joint_std, rtol=1e-6
        )
    assert [hand['name'] for hand in scene['hands']] == ['R', 'L']
    assert shared['span'] == 25.0
    assert shared['joints'][0] == 'wrist' and shared['joints'][8].startswith('tip of')
    assert [8, 7] not in shared['bones'] and [7, 8] in shared['bones']


def test_the_downloads_are_the_files(page):
    links = [a for a in page.all('a') if 'download' in a]
    for link in links:
        head, data = link['href'].split(',')
        assert base64.b64decode(data) == FILES[link['download']]
        assert head.endswith(';base64')
    assert len(links) == 4 and 'model/gltf-binary' in links[1]['href']


def test_pictures_have_a_text_and_are_small(page):
    images = [a for a in page.all('img') if a.get('class') != 'poster']
    # The image, all hands over it; of each hand four pictures and two views.
    assert len(images) == 2 + 2 * 6
    said = [image['alt'].split(':')[-1] for image in images[1:]]
    assert said[0].startswith(' a right hand and a left hand in ')
    owners = [text.split(' in ')[0] for text in said[1:]]
    assert owners == [' the right hand R'] * 6 + [' the left hand L'] * 6
    for image in images:
        data = base64.b64decode(image['src'].split(',')[1])
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert max(decoded.shape) <= 900 and len(data) < 100_000


def test_the_page_can_be_read_without_a_mouse(page):
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch('h[1-6]', tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:]))
    names = {attrs['id'] for _, attrs in page.elements if 'id' in attrs}
    assert all(a['href'][1:] in names for a in page.all('a') if a['href'][0] == '#')
    stages = [a for a in page.all('div') if a.get('class') == 'stage']
    assert len(stages) == 2
    assert stages[0]['tabindex'] == '0' and 'arrow keys' in stages[0]['aria-label']
    assert page.all('html')[0]['lang'] == 'en'
    # Every control has words, its own or its label's.
    assert len(page.all('input')) == 2 * 4 and len(page.all('select')) == 2


def test_a_hand_has_one_row_of_pictures_view_and_numbers(page):
    rows = [a for a in page.all('section') if a.get('class') == 'hand']
    assert [row['data-hand'] for row in rows] == ['0', '1']
    hands = make_result().hands
    numbers = ' '.join(page.parts['numbers'])
    for hand in hands:
        right, down, away = hand.translation
        mean, std = hand.joint_std[1:].mean(), hand.joint_std.max()
        for text in (
            f'Presence {hand.presence:.2f}',
            f'{right:.3f} right, {down:.3f} down, {away:.3f} away',
            f'Mean deviation {mean:.1f} mm',
            f'tip of the thumb, {std:.1f} mm',
        ):
            assert text in numbers
    # What a number means stands beside it.
    hints = numbers.split('Mean deviation')[1].split('Least certain')[0]
    assert 'standard deviation, averaged over the 20 joints' in hints
    assert 'thumb4 in the files' in numbers


def row_of(**changes):
    row = make_row(0, replace(make_hand(0), **changes), 'R', {}, 'a.jpg')
    return {number.name: number for number in row.numbers}


def test_without_a_camera_no_length_from_it_is_told():
    wrist = row_of(metric=False, translation=np.array([0.1, 0.2, 10.3]))['Wrist']
    assert wrist.value == 'scale unknown' and '--K' in wrist.hint
    assert '10.3' not in wrist.hint
    assert row_of(metric=True)['Wrist'].value.endswith('away')
    assert row_of(translation=np.full(3, np.nan))['Wrist'].value == 'unknown'


@pytest.mark.parametrize(
    'said, hint',
    [('detector', 'the detector that found'), ('model', 'the model is')],
)
def test_presence_says_whose_word_it_is(said, hint):
    assert hint in row_of(presence_of=said)['Presence'].hint
    assert 'Presence' not in row_of(presence_of='nobody', presence=1.0)


def test_joints_have_names_that_people_use():
    words = [joint_words(joint) for joint in range(21)]
    assert len(set(words)) == 21
    assert words[0] == 'wrist' and words[17] == 'knuckle of the little finger'
    assert words[1] == 'root of the thumb' and words[2] == 'knuckle of the thumb'
    assert words[6] == 'middle joint of the index finger'


def test_the_page_has_one_range_of_colours(tmp_path):
    """Also where the first image alone would have another."""
    sure, vague = make_result([make_hand(0)]), make_result([make_hand(1)], index=1)
    entries = [(sure, sample_image()), (vague, sample_image())]
    for name, given in (('one', iter(entries)), ('two', entries[:1])):
        span = None if name == 'one' else 25.0
        write_report(tmp_path / f'{name}.html', given, span=span)
    one, two = (
        Page((tmp_path / f'{name}.html').read_text(encoding='utf-8'))
        for name in ('one', 'two')
    )
    spans = [json.loads(page.contents['shared'][0])['span'] for page in (one, two)]
    assert spans == [25.0, 25.0]
    ticks = [text for text in one.parts['ticks'] if text]
    assert ticks == ['0', '5', '10', '15', '20', '25'] * 2
    # So the pictures of the first image are the same on both pages.
    assert [i['src'] for i in one.all('img')][:8] == [i['src'] for i in two.all('img')]


def test_a_video_plays_in_the_page(page):
    (video,) = page.all('video')
    assert video['src'] == 'data:video/mp4;base64,' + base64.b64encode(b'film').decode()
    assert 'controls' in video and video['poster'].startswith('data:image/jpeg')
    assert 'a film <i>' in page.text


def test_the_style_keeps_hands_whole_on_paper_and_knows_the_dark(page):
    style = page.contents['style'][0]
    screen, paper = style.split('@media print')
    assert re.search(r'\.hand \{[^}]*break-inside: avoid', paper)
    assert re.search(r'\.head \{[^}]*break-inside: avoid', paper)
    assert not re.search(r'article \{[^}]*break-inside', style)  # it may be long
    assert '.still[hidden] { display: block' in paper  # in place of the 3D view
    assert 'prefers-color-scheme: dark' in screen
    assert 'loading' not in page.all('img')[0]  # whole in a capture, too


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
    assert not scene['known'] and scene['hands'][0]['deviation'] is None
    assert json.loads(page.contents['shared'][0])['span'] is None
    assert 'legend' not in page.parts and 'Mean deviation' not in page.text
    assert 'clip.mp4, frame 7' in page.text and 'scale unknown' in page.text
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
