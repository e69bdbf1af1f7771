"""Run every command that README and the pages show, as a reader would paste it.

    python tools/misc/run_documented_commands.py           all pages
    python tools/misc/run_documented_commands.py --list    what would run, what not
    python tools/misc/run_documented_commands.py README.md docs/front_door.md

The commands are those of blocks fenced as ``bash``, and those within the text that call
a tool, without what stands in [brackets]. They run block by block, from the first page
to the last, in a new folder that holds the project's files and what the commands ask a
reader for (photo.jpg, photos/, boxes.json, clip.mp4), in the environment
that runs this. Exit status 1 if a command ends with another status than 0.

MMHAND_SHORT=0  run long commands as they are printed; by default those of ``SHORT``
                below are shortened, so that all pages take some ten minutes.

What a reader has to fill in or to fetch first does not run: ``NOT_RUN`` says why. Nor
does a block after the line ``<!-- not run: REASON -->``.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = ('README.md', 'docs', 'tools', 'configs', '.github')
# A fenced block, or a command within a line of text.
PART = re.compile(
    r'(?:^<!-- not run: (?P<reason>.+?) -->\n)?^```(?P<kind>\w*)\n(?P<text>.*?)^```$'
    r'|`(?P<span>(?:python|bash) tools/[^`]+)`',
    re.S | re.M,
)
# Pattern in a command: why it does not run here.
NOT_RUN = {
    r'\bpip install\b|\bmmhand-dne setup\b': 'it changes the environment',
    r'\boffline_wheels\.sh\b': 'it downloads wheels for another machine',
    r'\btools/reproduce/|\bdata/benchmark/': 'it makes the tables, for hours; its '
    'tests run it small',
    r'\bwebcam:': 'it needs a camera',
    r'\bjupyter execute\b': 'it needs the extra notebook; a test runs the notebook',
    r'\bFOLDER\w*\b|\$HAND\b': "it needs MANO's files",
    r'\bhamer\.(ckpt|pth)\b': "it needs HaMeR's released weights",
    r'\bdata/(interhand2\.6m|freihand_v2|HO3D_v3)\b': 'it needs an official download',
    r'\bdata/real/': 'tools/train_real.sh renders that first, for hours',
    r'\btest_matrix\.sh\b': 'it makes an environment for each Python',
    r'\bbenchmarks/gpu\.py\b': 'it needs a GPU; a test runs it on a CPU',
    r'\bbuild_cc0_hand\.py\b': 'it needs the extra cc0-hand',
    r'\b(CONFIG|CHECKPOINT|INPUT|DIR|NAME|IN|OUT)\b': 'a reader fills in a name',
}
# Pattern in a command: what it becomes, with MMHAND_SHORT.
SHORT = {
    r'bash tools/quickstart\.sh$': 'bash tools/quickstart.sh --short '
    '--work-dir work_dirs/quickstart',
    r'bash tools/run_tests\.sh$': 'bash tools/run_tests.sh tests/test_conventions.py',
    r'(benchmarks/latency\.py photo\.jpg)$': r'\1 --repeats 2 --frames 0',
    r'(benchmarks/train_step\.py)$': r'\1 --batch-size 1 --repeats 1',
    r'(benchmarks/growth\.py .*)$': r'\1 --axes batch --values 1 2 --repeats 1',
    r'(benchmarks/covariance_cost\.py)$': r'\1 --rounds 1 --dims 30 --batch-size 4',
    r'(covariance_toy\.py)$': r'\1 --samples 500 --seeds 0 --steps 20',
    r'(benchmarks/data_path\.py)$': r'\1 --images 6 --rounds 1 --batch-size 2',
    r'(benchmarks/scoring\.py)$': r'\1 --rounds 1 --batch-size 4',
    r'(benchmarks/start_times\.py photo\.jpg)$': r'\1 --runs 1',
    r'(benchmarks/hand_skinning\.py)$': r'\1 --rounds 2 --hands 2',
    r'(benchmarks/video_memory\.py .*) --frames 2000$': r'\1 --frames 20',
    r'(benchmarks/drawing_cost\.py photo\.jpg)$': r'\1 --repeat 1',
    r'(benchmarks/dataset_scale\.py) --frames .*$': r'\1 --frames 100 200 --reads 4',
    r'(smooth_benchmark\.py .*) --clips 4$': r'\1 --clips 1 --frames 12',
    r'(data/rendered) --train 1024 --test 256': r'\1 --train 32 --test 16',
    r'(data/rendered_photos) --train 12000 --test 1000': r'\1 --train 4 --test 2',
}
# Run after a command of this pattern: what the pages after it take for granted.
AFTERWARDS = {
    r'tools/quickstart\.sh': """
        ls work_dirs/quickstart/epoch_17.pth 2>/dev/null ||
            cp work_dirs/quickstart/epoch_2.pth work_dirs/quickstart/epoch_17.pth
        ls data/rendered 2>/dev/null || ln -s rendered_short data/rendered
        folder=data/rendered/images/test/Capture0/0000_right/cam400067
        mkdir -p $folder
        ls $folder/image1000.jpg 2>/dev/null ||
            cp "$(find data/rendered/images/test/ -name '*.jpg' | head -n 1)" \\
                $folder/image1000.jpg
        python tools/analysis_tools/compare_covariances.py --seeds 0 \\
            --models correlated full --epochs 1 --finetune-epochs 6 \\
            --cfg-options train_dataloader.num_workers=0 \\
                train_dataloader.persistent_workers=False
    """,
}


class Command(NamedTuple):
    """One command of a page; ``reason`` is why it does not run, '' if it does."""

    page: str
    block: int
    text: str
    reason: str


def parse_args() -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('pages', nargs='*', help='default: all, README first')
    parser.add_argument('--list', action='store_true', help='run nothing')
    parser.add_argument('--folder', type=Path, help='run there; default: a new one')
    return parser.parse_args()


def all_pages() -> list[str]:
    """README and the pages that are read beside it, by their paths in the project."""
    found = []
    for name in PAGES:
        path = ROOT / name
        files = [path] if path.is_file() else sorted(path.rglob('*.md'))
        found += [str(file.relative_to(ROOT)) for file in files]
    return found


def commands_of(page: str, text: str) -> list[Command]:
    """The commands of a page's blocks: joined over lines, without remarks."""
    found = []
    for number, part in enumerate(PART.finditer(text)):
        if part['span'] is None and part['kind'] != 'bash':
            continue
        # A span may go on over lines; what is in brackets may be left out.
        span = re.sub(r'\[[^]]*\]', '', part['span'] or '').replace('\n', ' ')
        for line in (span or part['text'].replace('\\\n', ' ')).splitlines():
            command = ' '.join(re.sub(r'(^|\s)#.*$', '', line).split())
            if command:
                reason = part['reason'] or why_not(command)
                found.append(Command(page, number, command, reason))
    return found


def why_not(command: str) -> str:
    """Why a command does not run; '' if it does."""
    found = (why for pattern, why in NOT_RUN.items() if re.search(pattern, command))
    if re.match(r'--', command):
        return 'flags of other commands'
    return next(filter(None, found), '')


def as_run(command: str, short: bool) -> str:
    """A command as it runs."""
    for pattern, text in SHORT.items() if short else ():
        command = re.sub(pattern, text, command)
    return command


def script_of(block: list[Command], short: bool) -> str:
    """What of a block runs, as one script."""
    lines = []
    for command in block:
        if command.reason:
            continue
        lines.append(as_run(command.text, short))
        lines += [
            t for pattern, t in AFTERWARDS.items() if re.search(pattern, lines[-1])
        ]
    return '\n'.join(lines)


def prepare(folder: Path) -> None:
    """The project's files, this environment, and what a reader brings along."""
    import cv2

    listed = ['git', '-C', ROOT, 'ls-files', '-z']
    names = subprocess.run(listed, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split('\0')):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name, follow_symlinks=False)
    # The environment is there; installing into it would lead it to this folder.
    (folder / 'tools/install.sh').write_text('exit 0\n')
    (folder / '.venv').symlink_to(sys.prefix)
    photos = sorted((folder / 'tests/data/hands').glob('*.jpg'))[:2]
    (folder / 'photos').mkdir()
    for photo in photos:
        shutil.copy(photo, folder / 'photos')
    shutil.copy(photos[0], folder / 'photo.jpg')
    (folder / 'boxes.json').write_text(f'{{"{photos[0].name}": [[20, 20, 200, 200]]}}')
    image = cv2.imread(str(photos[0]))
    size, code = image.shape[1::-1], cv2.VideoWriter_fourcc(*'mp4v')
    clip = cv2.VideoWriter(str(folder / 'clip.mp4'), code, 10.0, size)
    for _ in range(4):
        clip.write(image)
    clip.release()


def run_block(block: list[Command], folder: Path, short: bool) -> bool:
    """Run a block there; True if all of it ended with status 0."""
    script = script_of(block, short)
    if not script:
        return True
    print(f'== {block[0].page}\n{script}', flush=True)
    paths = [str(Path(sys.executable).parent), os.environ.get('PATH', '')]
    environment = {
        **os.environ,
        'PATH': os.pathsep.join(paths),
        'PYTHONPATH': str(folder),
        'MPLBACKEND': 'Agg',
    }
    environment.pop('MMHAND_VENV', None)
    done = subprocess.run(
        ['bash', '-euo', 'pipefail', '-c', script],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    tail = '\n'.join(done.stdout.splitlines()[-20:])
    print(f'{tail}\n-- exit status {done.returncode}', flush=True)
    return done.returncode == 0


def blocks_of(pages: list[str]) -> list[list[Command]]:
    """The commands of the pages, block by block."""
    blocks = {}
    for page in pages:
        for command in commands_of(page, (ROOT / page).read_text(encoding='utf-8')):
            blocks.setdefault((page, command.block), []).append(command)
    return list(blocks.values())


def main() -> int:
    """Run or list the commands; the exit status."""
    args = parse_args()
    short = os.environ.get('MMHAND_SHORT', '1') != '0'
    blocks = blocks_of(args.pages or all_pages())
    commands = [command for block in blocks for command in block]
    if args.list:
        for page, _, text, reason in commands:
            print(f'{page}: {text}\n    {reason or "runs: " + as_run(text, short)}')
        return 0
    folder = args.folder or Path(tempfile.mkdtemp(prefix='documented-'))
    prepare(folder)
    failed = [block for block in blocks if not run_block(block, folder, short)]
    run = sum(not command.reason for command in commands)
    print(f'{run} commands of {len(commands)} ran in {folder}; the others need more')
    for block in failed:
        print(f'failed: {block[0].page}, the block of {block[0].text!r}')
    return int(bool(failed))


if __name__ == '__main__':
    sys.exit(main())
