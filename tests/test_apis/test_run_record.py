"""What a run has left in its folder, and what another one may do with it."""

import pytest

from mmhand_dne.apis.run_record import FRAMES, RunRecord
from mmhand_dne.errors import UserError


def test_another_command_does_not_forget_what_a_stopped_video_has(tmp_path):
    with RunRecord(tmp_path, dict(vis=None)):
        kept = tmp_path / FRAMES / 'results'  # all there is of a video until its end
        kept.parent.mkdir()
        kept.write_text('predictions of minutes')
    with pytest.raises(UserError, match='with vis None, now .* is asked for'):
        RunRecord(tmp_path, dict(vis=['overlay']))
    with RunRecord(tmp_path, dict(vis=None)):
        assert kept.exists()
    with RunRecord(tmp_path, dict(vis=['overlay']), overwrite=True):
        assert not kept.exists()


@pytest.mark.parametrize(
    'name', ['a\u2028b', 'a\x85b', 'a\x0cb', 'a\nb', 'a\udcffb', 'plain']
)
def test_an_image_is_done_whatever_its_name_holds(tmp_path, name):
    source, written = tmp_path / 'source.jpg', tmp_path / 'out/one.json'
    source.write_bytes(b'image')
    written.parent.mkdir()
    with RunRecord(tmp_path / 'out', {}) as record:
        written.write_text('{}')
        record.add(name, str(source), [written], 1)
    with RunRecord(tmp_path / 'out', {}) as record:
        assert record.has(name, str(source)) and list(record.done) == [name]
