"""Sum up what gpu.sh has run in a folder: gpu.json, gpu.md, small checkpoints.

Example:
    python tools/reproduce/gpu_report.py OUT
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

LARGEST = 16 * 10**6  # bytes of a checkpoint that is kept


def parse_args(argv: list[str] | None = None) -> argparse.Namespace:
    """The flags of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('out', type=Path, help='the folder that gpu.sh was given')
    return parser.parse_args(argv)


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import torch

from mmhand_dne.engine.runner.checkpoint_files import check_checkpoint
from mmhand_dne.fileio.atomic import write_whole


def steps(work: Path) -> dict[str, float]:
    """Steps of a run, seconds and megabytes of the later half of them; all its logs."""
    lines = [
        json.loads(line)
        for path in sorted(work.glob('*/vis_data/scalars.json'))
        for line in path.read_text().splitlines()
    ]
    logged = [line for line in lines if 'time' in line]
    if not logged:
        return dict(steps=0)
    settled = logged[len(logged) // 2 :]
    found = {
        'steps': max(line['step'] for line in logged),
        'seconds a step': statistics.median(line['time'] for line in settled),
        'of it data': statistics.median(line['data_time'] for line in settled),
    }
    if memory := [line['memory'] for line in logged if 'memory' in line]:
        found['peak memory [MB]'] = max(memory)
    return found


def collect(out: Path) -> dict:
    """All figures of a folder."""
    found = {name: steps(out / 'work' / name) for name in ('fp32', 'bf16', 'killed')}
    for name in ('fp32', 'bf16', 'amp'):
        path = out / f'step_{name}.json'
        if path.exists():
            told = json.loads(path.read_text())['dne']
            found[f'{name}, no data path'] = {
                'seconds a step': told['median'],
                'peak memory [MB]': told.get('cuda_peak', told['rss_peak']),
            }
    killed = out / 'killed_at'
    found['killed']['killed at'] = (
        Path(killed.read_text()).stem if killed.exists() else '-'
    )
    found['machine'] = dict(
        device=torch.cuda.get_device_name() if torch.cuda.is_available() else 'cpu',
        devices=torch.cuda.device_count(),
        torch=torch.__version__,
        tests=(out / 'suite.log').read_text().strip().splitlines()[-1],
    )
    return found


def keep_checkpoints(out: Path) -> list[str]:
    """Write the tables' last models that are small; their names in OUT.

    The optimiser's state, two numbers for each of the model's, is left out.
    """
    kept = []
    for path in sorted((out / 'tables').glob('runs/*/*/epoch_*.pth')):
        content = check_checkpoint(str(path))
        *_, row, seed, _ = path.parts
        target = out / 'checkpoints' / f'{row}_{seed}.pth'
        target.parent.mkdir(exist_ok=True)
        model = {name: content[name] for name in ('meta', 'state_dict')}
        torch.save(model, target)
        if target.stat().st_size < LARGEST:
            kept.append(target.name)
        else:
            target.unlink()
    return kept


def markdown(found: dict) -> str:
    """The figures, a line each."""
    rows = [
        f'| {name} | {key} | {f"{value:.4g}" if isinstance(value, float) else value} |'
        for name, values in found.items()
        for key, value in values.items()
    ]
    return '\n'.join(['| run | what | value |', '|---|---|---:|', *rows]) + '\n'


def main(argv: list[str] | None = None) -> None:
    """Write the report."""
    out = parse_args(argv).out
    found = collect(out)
    write_whole(out / 'gpu.json', json.dumps(found, indent=2))
    write_whole(out / 'gpu.md', markdown(found))
    print(markdown(found))
    kept = keep_checkpoints(out)
    print(f'{len(kept)} checkpoints in {out / "checkpoints"}')


if __name__ == '__main__':
    main()
