"""What README and the pages show runs as it is pasted, or says what it needs."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / 'tools/misc/run_documented_commands.py'
# Made by the runner for the reader, or by a command that runs before.
THERE = ('photo.jpg', 'photos/', 'boxes.json', 'clip.mp4', '.venv/bin/activate')
MADE = ('hands.onnx', 'hands.npz', 'pair.onnx', 'work_dirs/', 'data/rendered')
MADE += ('gallery/', 'dist', 'pictures', 'growth.png')


@pytest.fixture(scope='module')
def runner():
    spec = importlib.util.spec_from_file_location('run_documented_commands', SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module')
def commands(runner):
    return [c for block in runner.blocks_of(runner.all_pages()) for c in block]


def test_each_command_runs_or_has_a_reason(commands):
    assert len(commands) > 90
    assert sum(not command.reason for command in commands) > 40
    for page, _, text, reason in commands:
        if reason:
            continue
        for word in shlex.split(text.replace('&&', ' ')):
            if word.startswith(('-', '$', '{', '>')) or '=' in word:
                continue
            assert not re.fullmatch(r'[A-Z_]{3,}', word), f'{page}: {text}: {word}'
            if '/' in word or Path(word).suffix in ('.py', '.sh', '.jpg', '.json'):
                known = (ROOT / word).exists() or word.startswith((*THERE, *MADE))
                assert known, f'{page}: {text}: {word} is not there'


def test_each_rule_is_of_a_command(runner, commands):
    for table in (runner.NOT_RUN, runner.SHORT, runner.AFTERWARDS):
        for pattern in table:
            assert any(re.search(pattern, c.text) for c in commands), pattern


def test_blocks_are_read_as_a_shell_reads_them(runner):
    page = (
        '```bash\npython a.py \\\n    --flag   # a remark\n# nothing\n\nb x#y\n```\n'
        '```text\nno command\n```\n'
        '<!-- not run: it is long -->\n```bash\nc\n```\n'
        '```bash\npip install x\n```\n'
        'Call `python tools/a.py [CONFIG]\n--flag` or `tools/b.py` with `python`.\n'
    )
    assert runner.commands_of('p', page) == [
        runner.Command('p', 0, 'python a.py --flag', ''),
        runner.Command('p', 0, 'b x#y', ''),
        runner.Command('p', 2, 'c', 'it is long'),
        runner.Command('p', 3, 'pip install x', 'it changes the environment'),
        runner.Command('p', 4, 'python tools/a.py --flag', ''),
    ]


def test_long_commands_are_shortened_unless_told_otherwise(runner):
    long = 'bash tools/quickstart.sh'
    assert runner.as_run(long, False) == long
    assert '--short' in runner.as_run(long, True)


def test_a_block_that_fails_is_noticed_and_keeps_its_variables(runner, tmp_path):
    def run(*texts):
        block = [runner.Command('p', 0, text, '') for text in texts]
        return runner.run_block(block, tmp_path, True)

    assert run('NAME=one', 'echo $NAME > file')
    assert (tmp_path / 'file').read_text() == 'one\n'
    assert not run('false', 'echo two > file')
    assert not run('false | true', 'echo two > file')
    assert (tmp_path / 'file').read_text() == 'one\n'


@pytest.mark.large
def test_all_of_them_run(tmp_path):
    command = [sys.executable, SCRIPT, '--folder', tmp_path]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
