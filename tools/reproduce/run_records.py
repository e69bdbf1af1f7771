"""What is noted of a run: where and of what it was made, and what its logs say."""

import hashlib
import json
import math
import os
import platform
import re
import subprocess
from contextlib import suppress
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[2]
# Keys of a config that a run's numbers come from.
MAKING = (
    'model',
    'train_dataloader',
    'test_dataloader',
    'optim_wrapper',
    'param_scheduler',
    'custom_hooks',
    'test_evaluator',
)
WATCHED = ('MPVPE_All', 'MPVPE2D_All')  # errors by which a curve is judged


def log_of(folder: Path) -> dict:
    """What a run's logs say, of all its parts.

    Returns: ``loss``: the mean loss up to a step, at most ten; ``validations``: the
    WATCHED errors after an epoch. Both by number, as JSON has them.
    """
    losses, validations = {}, {}
    for path in sorted(folder.glob('*/vis_data/scalars.json')):
        for text in path.read_text().splitlines():
            entry = json.loads(text)
            if 'loss' in entry:
                losses[int(entry['step'])] = float(f'{entry["loss"]:.5g}')
            elif WATCHED[0] in entry:
                validations[int(entry['step'])] = {
                    name: float(f'{entry[name]:.6g}') for name in WATCHED
                }
    every = math.ceil(len(losses) / 10) or 1
    steps = sorted(losses)[::-1][::every][::-1]  # the last one is among them
    return dict(loss={s: losses[s] for s in steps}, validations=validations)


def digest(content: dict | list) -> str:
    """A short name of plain data, the same for the same data."""
    text = json.dumps(content, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def differing(found: dict, wanted: dict) -> list[str]:
    """Names of the settings that are not the same, of all levels."""
    names = []
    for name in sorted({*found, *wanted}):
        one, other = found.get(name), wanted.get(name)
        if isinstance(one, dict) and isinstance(other, dict):
            names += [f'{name}.{inner}' for inner in differing(one, other)]
        elif one != other:
            names.append(name)
    return names


def circumstances(threads: int) -> dict:
    """By which commit, on what, with what a run is made."""
    model = platform.processor() or platform.machine()
    with suppress(OSError):
        found = re.search(r'model name\s*: (.+)', Path('/proc/cpuinfo').read_text())
        model = found[1] if found else model
    device = f'{threads} of {os.cpu_count()} cores, {model}'
    if torch.cuda.is_available():
        device = torch.cuda.get_device_name()
    return dict(
        commit=git('rev-parse', 'HEAD'),
        changed=bool(git('status', '--porcelain', '--untracked-files=no')),
        hardware=device,
        torch=torch.__version__,
    )


def git(*arguments: str) -> str:
    """What git says of the project; '' where it is no checkout."""
    try:
        done = subprocess.run(
            ['git', *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ''
    return done.stdout.strip()
