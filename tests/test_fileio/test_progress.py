"""A bar in a terminal, a few whole lines in a log file."""

import io
import os
import pty
import sys

import pytest

from mmhand_dne.fileio.progress import LOG_LINES, Progress


class Terminal(io.StringIO):
    """A file that says it is a terminal."""

    def isatty(self):
        return True


def work(total, pieces, title='reading images', **update):
    with Progress(total, title) as bar:
        for _ in range(pieces):
            bar.update(**update)


@pytest.mark.parametrize('total', [1, 3, 40, 1001])
def test_a_log_file_gets_a_handful_of_lines(total, capsys):
    work(total, total)
    out = capsys.readouterr().out
    lines = out.splitlines()
    assert 1 <= len(lines) <= min(total, LOG_LINES) and '\r' not in out
    assert all(line.startswith('reading images: ') for line in lines)
    assert lines[-1].startswith(f'reading images: {total}/{total}, ')


def test_pieces_count_as_much_as_they_weigh(capsys):
    work(12, 4, count=3)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(',')[0].split()[-1] for line in lines] == [
        f'{done}/12' for done in (3, 6, 9, 12)
    ]


def test_an_unknown_total_is_one_line_at_the_end(capsys):
    work(None, 7)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith('reading images: 7, ')


@pytest.mark.parametrize('total', [0, None])
def test_nothing_done_is_nothing_said(total, capsys):
    work(total, 0)
    assert capsys.readouterr().out == ''


def test_work_that_fails_passes_its_error_on(capsys):
    with pytest.raises(KeyError), Progress(4, 'failing') as bar:
        bar.update(3)
        raise KeyError
    assert '3/4' in capsys.readouterr().out


@pytest.mark.parametrize('total', [30, None])
def test_a_terminal_gets_a_bar(total, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, 'stdout', terminal)
    monkeypatch.setenv('TERM', 'xterm')
    work(total, 30)
    out = terminal.getvalue()
    assert 'reading images' in out and '30/30' in out if total else '30/' in out
    assert 'per second' not in out


def test_a_real_terminal_shows_the_end_of_the_work():
    pid, master = pty.fork()
    if pid == 0:
        os.environ['TERM'] = 'xterm'
        sys.stdout = sys.__stdout__ = open(1, 'w')
        work(25, 25)
        sys.stdout.flush()
        os._exit(0)
    shown = b''
    try:
        while part := os.read(master, 4096):
            shown += part
    except OSError:  # Linux: the other end is closed
        pass
    assert os.waitpid(pid, 0)[1] == 0
    assert b'25/25' in shown and b'\r' in shown
