"""What an input is: files, folders, patterns, videos, cameras, boxes, a camera."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmhand_dne.apis.inputs.file_names import LONGEST, OF_THE_RUN, distinct_names
from mmhand_dne.apis.inputs.given_boxes import (
    GivenBoxes,
    HandBox,
    check_box,
    whole_image,
)
from mmhand_dne.apis.inputs.intrinsics import (
    Cameras,
    conventional_intrinsics,
    read_intrinsics,
)
from mmhand_dne.apis.inputs.sources import open_input
from mmhand_dne.apis.inputs.video import Video, VideoWriter
from mmhand_dne.apis.run_record import DONE, REPORT, SETTINGS, input_name
from tests.tiny_inferencers import noise_image
from tests.video_files import (
    ThreeFrames,
    damage,
    grey_images,
    tag_rotation,
    write_video,
)

FPS = 29.97


@pytest.fixture
def folder(tmp_path):
    for i, name in enumerate(('b.png', 'a.jpg', 'ж.png')):
        content = cv2.imencode(name[-4:], noise_image(16, 12, seed=i))[1].tobytes()
        (tmp_path / name).write_bytes(content)
    (tmp_path / 'notes.txt').write_text('no image')
    return tmp_path


def test_a_folder_gives_its_images_sorted(folder):
    frames = list(open_input(folder))
    assert [frame.name for frame in frames] == ['a', 'b', 'ж']
    assert [frame.index for frame in frames] == [0, 1, 2]
    assert all(frame.image.shape == (12, 16, 3) for frame in frames)


def test_patterns_lists_arrays_and_single_files(folder):
    assert [f.name for f in open_input(str(folder / '*.png'))] == ['b', 'ж']
    assert [f.name for f in open_input(folder / 'a.jpg')] == ['a']
    mixed = list(open_input([str(folder / 'a.jpg'), noise_image(9, 7)]))
    assert [f.source for f in mixed] == [str(folder / 'a.jpg'), 'array 1']
    assert mixed[1].image.shape == (7, 9, 3)


def test_names_never_collide():
    names = distinct_names(['x/a.jpg', 'x/a.png', 'y/a.jpg', 'b.jpg', 'B.JPG'])
    assert len({name.casefold() for name in names}) == 5
    names = distinct_names(['a_2.jpg', 'x/a', 'x/a', 'a', 'a_3'])
    assert len(set(names)) == 5


def test_names_are_none_of_the_runs_own_files_and_fit_a_file_system():
    assert {Path(file).stem for file in (SETTINGS, DONE, REPORT)} == {*OF_THE_RUN}
    long = 'é' * 120
    sources = ['Demo.jpg', 'done.png', f'{long}a.jpg', f'{long}b.jpg', 'webcam_1.jpg']
    names = distinct_names(sources)
    assert names[:2] == ['Demo_jpg', 'done_png'] and names[4] == 'webcam_1'
    assert len(set(names)) == 5
    assert all(len(name.encode()) < LONGEST + 5 for name in names)
    assert [*map(input_name, ('webcam_1.jpg', 'webcam:0'))] == ['webcam_1', 'webcam']


def test_an_iterator_is_not_read_ahead():
    given = []

    def images():
        for side in (9, 9, 12):
            given.append(side)
            yield noise_image(side, 7)

    frames = iter(open_input(images()))
    assert not given
    first, second = next(frames), next(frames)
    assert given == [9, 9] and (first.index, second.index) == (0, 1)
    assert (first.source, first.name, second.name) == ('array 0', 'array 0', 'array 1')
    assert first.image.shape == (7, 9, 3) and len(list(frames)) == 1
    paths = [frame.name for frame in open_input(iter(['x/demo.jpg', 'y/a.b', 'y/a.b']))]
    assert paths == ['demo_jpg', 'a', 'a_b']
    with pytest.raises(ValueError, match='the list of inputs is empty'):
        list(open_input(iter([])))


def test_what_cannot_be_decoded_keeps_its_place(folder):
    (folder / 'a.jpg').write_bytes(b'')
    first, second, _ = open_input(folder)
    assert first.image is None and 'the file is empty' in first.problem
    assert second.image is not None and second.problem == ''


def test_nothing_to_read_is_one_sentence(tmp_path):
    for path, sentence in (
        (tmp_path, 'the folder has no image'),
        (tmp_path / 'x.jpg', 'no such file or folder'),
        (tmp_path / '*.jpg', 'no image matches'),
        ('https://a.b/c.jpg', 'is an address'),
    ):
        with pytest.raises(ValueError, match=sentence):
            open_input(str(path))
    with pytest.raises(ValueError, match='the list of inputs is empty'):
        open_input([])
    with pytest.raises(ValueError, match='an input is a float'):
        open_input([1.0])


def test_a_damaged_frame_keeps_its_number(tmp_path):
    path = write_video(tmp_path / 'clip.avi', grey_images(8), FPS)
    damage(path, (0, 3, 4, 7))
    frames = list(open_input(path))
    assert [frame.index for frame in frames] == list(range(8))
    assert [i for i, frame in enumerate(frames) if frame.image is None] == [0, 3, 4, 7]
    assert frames[3].problem == f'{path}: frame 3 could not be decoded'
    for i in (1, 2, 5, 6):
        assert abs(int(np.median(frames[i].image)) - 20 * i) <= 2
    assert open_input(path).fps == pytest.approx(FPS, abs=1e-3)


@pytest.mark.parametrize('degrees', [0, 90, 180, 270])
def test_a_phone_s_video_stands_upright(tmp_path, degrees):
    corner = np.zeros((48, 64, 3), np.uint8)
    corner[:24, :32] = 255  # white at the upper left
    path = write_video(tmp_path / 'clip.mp4', [corner] * 3, FPS, 'mp4v')
    tag_rotation(path, degrees)
    wanted = np.rot90(corner, -degrees // 90)
    video = Video(path)
    assert video.size == wanted.shape[1::-1]
    images = [frame.image for frame in open_input(path)]
    assert len(images) == 3
    for image in images:
        assert image.shape == wanted.shape
        assert np.abs(image.astype(int) - wanted).mean() < 12


def test_a_written_video_has_the_frames_and_the_rate(tmp_path):
    with VideoWriter(tmp_path / 'out.mp4', FPS) as writer:
        for i in range(7):
            writer.add(np.full((49, 65, 3), 30 * i, np.uint8))
    video = Video(tmp_path / 'out.mp4')
    assert (len(video), video.size) == (7, (64, 48))
    assert video.fps == pytest.approx(FPS, abs=1e-3)
    assert sum(image is not None for _, image, _ in video) == 7


def test_a_video_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError, match='half way'):
        with VideoWriter(tmp_path / 'out.mp4', FPS) as writer:
            writer.add(np.zeros((48, 64, 3), np.uint8))
            raise RuntimeError('half way')
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_video_is_one_sentence(tmp_path):
    for content, sentence in ((b'', 'the file is empty'), (b'no', 'is not a video')):
        (tmp_path / 'a.mp4').write_bytes(content)
        with pytest.raises(ValueError, match=sentence):
            open_input(str(tmp_path / 'a.mp4'))


def test_a_camera_gives_frames_until_it_ends(monkeypatch):
    class Camera(ThreeFrames):
        image = noise_image(8, 8)

        def isOpened(self):
            return self.device == 2

    monkeypatch.setattr(cv2, 'VideoCapture', Camera)
    source = open_input('webcam:2')
    assert source.is_live
    assert [f.name for f in source] == [f'webcam_{i:06d}' for i in range(3)]
    with pytest.raises(ValueError, match='webcam:0: there is no such camera'):
        open_input('webcam')


BOX = [1, 2, 30, 40]


@pytest.mark.parametrize(
    'given',
    [
        BOX,
        [BOX],
        [[BOX]],
        np.array([BOX]),
        np.array([[BOX]]),
        {'a.jpg': [BOX]},
        {'0': BOX},
        {'x/a.jpg': [dict(box=BOX)]},
        [dict(box=BOX)],
        [[dict(box=BOX)]],
    ],
)
def test_boxes_are_understood_in_many_forms(given, tmp_path):
    [box] = GivenBoxes(given, 1, 'left').of(0, 'x/a.jpg')
    assert box.corners.tolist() == BOX and (box.side, box.angle) == ('left', None)
    if not isinstance(given, np.ndarray):
        path = tmp_path / 'boxes.json'
        path.write_text(json.dumps(given))
        [same] = GivenBoxes(path, 1).of(0, 'x/a.jpg')
        assert same.corners.tolist() == BOX and same.side is None


def test_boxes_of_several_images():
    boxes = GivenBoxes([[BOX, dict(box=BOX, angle=30)], []], 2)
    assert [box.angle for box in boxes.of(0, 'a')] == [None, 30]
    assert boxes.of(1, 'b') == []
    named = GivenBoxes({'clip.mp4': [BOX], '3': [dict(box=BOX, side='right')]}, 9)
    assert named.of(3, 'x/clip.mp4')[0].side == 'right'
    assert named.of(4, 'x/clip.mp4')[0].side is None
    assert named.of(4, 'other.mp4') is None


@pytest.mark.parametrize(
    ('given', 'count', 'sentence'),
    [
        ([[BOX]], 2, 'boxes of 1 images, but the input has 2'),
        ([[1, 2, 3]], 1, 'a box is'),
        (3, 1, 'holds a int'),
        ([dict(box=BOX, side='up')], 1, "'up' is no side"),
        ([dict(bbox=BOX)], 1, 'a box without "box"'),
        ([dict(box=BOX, hand='left')], 1, "a box with 'hand'"),
        ('nowhere.json', 1, 'cannot be read'),
    ],
)
def test_other_boxes_are_one_sentence(given, count, sentence):
    with pytest.raises(ValueError, match=sentence):
        GivenBoxes(given, count).of(0, 'a')


@pytest.mark.parametrize(
    ('corners', 'sentence'),
    [
        ((3, 3, 3, 9), 'has no area'),
        ((9, 3, 3, 9), 'has no area'),
        ((300, 3, 310, 9), 'is outside the image of 200x100 pixels'),
        ((-20, 3, -1, 9), 'is outside'),
        ((3, np.nan, 9, 9), 'is not finite'),
    ],
)
def test_boxes_that_cannot_be_cut(corners, sentence):
    assert sentence in check_box(HandBox(np.array(corners, float)), (200, 100))
    assert check_box(HandBox(np.array([-5.0, -5, 3, 3])), (200, 100)) == ''
    assert check_box(whole_image((1, 1)), (1, 1)) == ''


@pytest.mark.parametrize(
    ('centre', 'inside'),
    [
        ((319.5, 239.5), True),
        ((-0.5, 479.5), True),
        ((960, 540), False),
        ((320, -1), False),
    ],
)
def test_a_camera_whose_centre_is_outside_is_said_once(centre, inside, monkeypatch):
    """As the K of a full-size photo beside its smaller copy."""
    said = []
    monkeypatch.setattr(
        'mmhand_dne.apis.inputs.intrinsics.print_log',
        lambda text, *_, **__: said.append(text),
    )
    cameras = Cameras([1000, 1000, *centre])
    for index in range(2):
        matrix = cameras.of(index, f'{index}.jpg', (640, 480))
        assert matrix[:2, 2] == pytest.approx(centre)
    assert len(said) == (0 if inside else 1)
    if said:
        assert said[0].startswith(f'0.jpg: the centre ({centre[0]}, {centre[1]}) of')
        assert 'outside its 640x480 pixels' in said[0]


def test_cameras(tmp_path):
    wanted = np.array([[600, 0, 300], [0, 610, 200], [0, 0, 1.0]])
    (tmp_path / 'k.txt').write_text('600, 610, 300 200')
    (tmp_path / 'k.json').write_text(json.dumps(dict(K=wanted.tolist())))
    np.save(tmp_path / 'k.npy', wanted)
    for given in (
        wanted,
        [600, 610, 300, 200],
        wanted.ravel(),
        tmp_path / 'k.txt',
        str(tmp_path / 'k.json'),
        tmp_path / 'k.npy',
    ):
        assert (read_intrinsics(given) == wanted).all()
    assert read_intrinsics(None) is None
    focal = 5000 / 256 * 640
    assert np.allclose(
        conventional_intrinsics((480, 640)),
        [[focal, 0, 239.5], [0, focal, 319.5], [0, 0, 1]],
    )
    (tmp_path / 'bad.txt').write_text('one two')
    for given, sentence in (
        ([1, 2], 'a camera of shape'),
        (np.eye(4), 'a camera'),
        (-wanted, 'is no camera matrix'),
        (tmp_path / 'bad.txt', 'holds no camera'),
        (tmp_path / 'none.txt', 'cannot be read'),
    ):
        with pytest.raises(ValueError, match=sentence):
            read_intrinsics(given)
