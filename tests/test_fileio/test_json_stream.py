"""Arrays read object by object are those that the json module reads."""

import json
import random

import pytest

from mmhand_dne.fileio import json_stream
from mmhand_dne.fileio.json_stream import stream_arrays

CONTENT = dict(
    info=dict(year=2020, nested=[dict(images=[1])]),
    images=[dict(id=i, name=f'ä"{{[\\{i}', none=None) for i in range(9)],
    licenses='',
    annotations=[-1.5e-7, 0, 12345, [[1], [True]], {}, 'x, y] }'],
    empty=[],
)


@pytest.fixture(params=[1, 5, 64, 1 << 22])
def chunk(request, monkeypatch):
    """The size of the window, down to a character."""
    monkeypatch.setattr(json_stream, 'CHUNK', request.param)
    return request.param


@pytest.mark.parametrize(
    'spaces', [dict(), dict(separators=(',', ':')), dict(indent=2)]
)
def test_items_are_those_of_the_json_module(tmp_path, chunk, spaces):
    path = tmp_path / 'x.json'
    path.write_text(json.dumps(CONTENT, ensure_ascii=False, **spaces), encoding='utf-8')
    found = dict(images=[], annotations=[], empty=[])
    for name, item in stream_arrays(path, found):
        found[name].append(item)
    assert found == {name: CONTENT[name] for name in found}


def test_a_file_may_be_one_array(tmp_path, chunk):
    path = tmp_path / 'x.json'
    path.write_text(' ' + json.dumps(CONTENT['images']) + '\n')
    assert [item for _, item in stream_arrays(path)] == CONTENT['images']


def test_a_file_that_ends_anywhere_inside_is_refused(tmp_path):
    path, text = tmp_path / 'x.json', json.dumps(CONTENT)
    cuts = random.Random(0).sample(range(len(text) - 1), 60)
    for cut in cuts:
        path.write_text(text[:cut])
        with pytest.raises(ValueError, match='x.json: not valid JSON .* truncated'):
            list(stream_arrays(path, ('images', 'annotations')))


@pytest.mark.parametrize(
    'text, words',
    [
        ('[1]', "expected '{', found '\\['"),
        ('{"images": {}}', "expected '\\['"),
        ('{"images": [1 2]}', "expected ','"),
        ('{"images": [nul]}', 'Expecting value'),
        ('', 'it ends too early'),
        ('{"other": []}', "no entry 'images'"),
        ('{}', "no entry 'images'"),
    ],
)
def test_what_is_wrong_is_told_in_one_sentence(tmp_path, text, words):
    path = tmp_path / 'x.json'
    path.write_text(text)
    with pytest.raises(ValueError, match=f'x.json: .*{words}') as error:
        list(stream_arrays(path, ('images',)))
    assert '\n' not in str(error.value)


def test_bytes_that_are_no_text_are_told(tmp_path):
    path = tmp_path / 'x.json'
    path.write_bytes(b'{"images": ["\xff\xfe"]}')
    with pytest.raises(ValueError, match='x.json: not valid JSON .*utf-8'):
        list(stream_arrays(path, ('images',)))


def test_little_of_the_file_is_in_memory(tmp_path, monkeypatch):
    """The window does not grow with the file."""
    monkeypatch.setattr(json_stream, 'CHUNK', 100)
    path = tmp_path / 'x.json'
    path.write_text(json.dumps(dict(images=[[number] * 5 for number in range(2000)])))
    with open(path) as file:
        reader = json_stream._Reader(path, file)
        longest = 0
        for _ in json_stream._named_items(reader, ('images',)):
            longest = max(longest, len(reader.text))
    assert longest < 300
