"""What it saves that the tools keep freed memory (mmhand_dne.fileio.portable).

The shipped model on a photo, from the file to its mesh, and a training step of
configs/dne_rendered.py, the stages included; with and without the setting, each in a
process of its own, by turns. Page faults are pages that the system had to clear.

Example:
    python tools/benchmarks/kept_memory.py tests/data/hands/1193_4.jpg --threads 2
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # as tools/demo.py

KEPT, RETURNED = 'kept', 'returned'
PHOTO, STEP = 'photo', 'training step'
CONFIG, CROPS, PIXELS = ROOT / 'configs/dne_rendered.py', 16, 128
WARM_UP = 3  # runs not counted
MILLISECONDS, MEGABYTES = 1e3, 2**10  # in a second; of the system's KiB


def parse_args(args: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('photo', type=Path)
    parser.add_argument('--threads', type=int, default=1, help='of the CPU')
    parser.add_argument('--repeats', type=int, default=30)
    parser.add_argument('--rounds', type=int, default=3, help='processes of each')
    parser.add_argument('--process', choices=[KEPT, RETURNED], help=argparse.SUPPRESS)
    return parser.parse_args(args)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports


def timed(call: Callable[[], object], repeats: int) -> dict[str, float]:
    """Milliseconds and page faults of a run, medians."""
    seconds, faults = [], []
    for _ in range(WARM_UP + repeats):
        before, start = usage().ru_minflt, time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
        faults.append(usage().ru_minflt - before)
    return dict(
        ms=MILLISECONDS * median(seconds[WARM_UP:]), faults=median(faults[WARM_UP:])
    )


def usage() -> resource.struct_rusage:
    """Of this process."""
    return resource.getrusage(resource.RUSAGE_SELF)


def measure(args: argparse.Namespace) -> dict[str, dict[str, float]]:
    """Both jobs in this process."""
    import torch
    from step_models import build, hand_batch, load_config
    from train_step import copy_batch

    from mmhand_dne.apis import HandMeshInferencer
    from mmhand_dne.fileio.portable import keep_memory

    torch.set_num_threads(args.threads)
    if args.process == KEPT:
        keep_memory()
    inferencer = HandMeshInferencer(device='cpu')
    photo = timed(lambda: list(inferencer(str(args.photo))), args.repeats)
    network, optimiser = build('dne', load_config('dne', str(CONFIG)), 'cpu')
    batch = hand_batch(network, CROPS, PIXELS)
    step = timed(lambda: network.train_step(copy_batch(batch), optimiser), args.repeats)
    peak = dict(mb=usage().ru_maxrss / MEGABYTES)
    return {PHOTO: photo, STEP: step, 'peak': peak}


def run_apart(args: argparse.Namespace, name: str) -> dict[str, dict[str, float]]:
    """Both jobs in a process of their own."""
    command = [sys.executable, __file__, str(args.photo), '--process', name]
    command += ['--threads', str(args.threads), '--repeats', str(args.repeats)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Print milliseconds, faults and their ratios."""
    args = parse_args()
    if args.process:
        print(json.dumps(measure(args)))
        return
    runs = {RETURNED: [], KEPT: []}
    for _ in range(args.rounds):
        for name, found in runs.items():
            found.append(run_apart(args, name))

    def middle(name: str, job: str, number: str) -> float:
        return median(run[job][number] for run in runs[name])

    for job in (PHOTO, STEP):
        for name in runs:
            ms, faults = middle(name, job, 'ms'), middle(name, job, 'faults')
            print(f'{job}, memory {name}: {ms:.1f} ms, {faults:.0f} page faults')
        ratio = middle(KEPT, job, 'ms') / middle(RETURNED, job, 'ms')
        print(f'{job}: {ratio:.2f} of the time')
    peaks = [f'{middle(name, "peak", "mb"):.0f} MB {name}' for name in runs]
    print(f'peak memory: {", ".join(peaks)}')


if __name__ == '__main__':
    main()
