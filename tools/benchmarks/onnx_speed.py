"""PyTorch beside ONNX Runtime: seconds per run, and how far apart the meshes are.

Both read the same crops in the same process with the same number of threads, in turn,
so that a busy machine slows both. PyTorch runs what is exported: bytes in, meshes out.

Example:
    python tools/benchmarks/onnx_speed.py CONFIG CHECKPOINT MODEL.onnx --batch 1 8
"""

import argparse
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmhand_dne.cli.arguments import add_config_options


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument(
        'model', type=Path, help='file of export_onnx.py, with a dynamic batch'
    )
    parser.add_argument('--batch', type=int, nargs='+', default=[1, 8])
    parser.add_argument('--threads', type=int, default=1)
    parser.add_argument('--repeats', type=int, default=20)
    parser.add_argument(
        '--samples',
        type=int,
        default=0,
        help='compare the meshes on '
        'so many crops of the test data set; 0: on made-up crops',
    )
    parser.add_argument('--out', type=Path, help='write the numbers to this json file')
    add_config_options(parser)
    return parser.parse_args()


if __name__ == '__main__':
    parse_args()  # --help and wrong flags are answered before the slow imports

import numpy as np
import torch
from mmpose.registry import DATASETS

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.cli.plain_errors import plain_errors
from mmhand_dne.deployment import HandNetwork
from mmhand_dne.deployment.onnx_check import example_crops, open_session
from mmhand_dne.fileio.atomic import write_whole


def test_set_crops(cfg, count: int) -> torch.Tensor:
    """(count, S, S, 3) uint8 RGB, evenly spread over the test data set."""
    dataset = DATASETS.build(cfg.test_dataloader.dataset)
    chosen = np.linspace(0, len(dataset) - 1, min(count, len(dataset))).astype(int)
    crops = [dataset[int(i)]['inputs'] for i in chosen]
    return torch.stack(crops).flip(1).permute(0, 2, 3, 1).contiguous()


def differences(network, session, crops: torch.Tensor) -> np.ndarray:
    """Largest difference of a vertex coordinate, metres, for each crop."""
    found = []
    for crop in crops.split(1):
        ours = session.run(['vertices'], {'crops': crop.numpy()})[0]
        found.append(np.abs(ours - network(crop)['vertices'].numpy()).max())
    return np.array(found)


def measure(network, session, crops: torch.Tensor, repeats: int) -> dict:
    """Median milliseconds per run of both, in turn, and the median of their ratio."""
    feed = {'crops': crops.numpy()}
    calls = dict(
        pytorch=lambda: network(crops), onnxruntime=lambda: session.run(None, feed)
    )
    times = {name: [] for name in calls}
    for repeat in range(repeats + 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if repeat >= 2:  # the first runs allocate
                times[name].append(1000 * (time.perf_counter() - start))
    row = {name: statistics.median(values) for name, values in times.items()}
    row['ratio'] = statistics.median(
        a / b for a, b in zip(times['pytorch'], times['onnxruntime'])
    )
    return row


def show(model: Path, report: dict) -> None:
    """Print the numbers of a report, speed as a table."""
    print(
        f'{model.name}: {report["megabytes"]:.1f} MB; vertices differ by at '
        f'most {report["largest"]:.2g} m on {report["crops"]} crops, by more than '
        f'0.1 mm on {report["above_tenth_mm"]}'
    )
    print(
        '| batch | PyTorch (ms) | ONNX Runtime (ms) | times faster, '
        f'{report["threads"]} thread(s) |\n|---|---|---|---|'
    )
    for batch, row in report['speed'].items():
        print(
            f'| {batch} | {row["pytorch"]:.1f} | {row["onnxruntime"]:.1f} | '
            f'{row["ratio"]:.2f} |'
        )


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    with plain_errors(building=True):
        hands = HandMeshInferencer(
            args.config, args.checkpoint, 'cpu', cfg_options=args.cfg_options
        )
        session = open_session(args.model, args.threads)
        height, width = session.get_inputs()[0].shape[1:3]
        crops = example_crops(8, (width, height))
        if args.samples:
            crops = test_set_crops(hands.cfg, args.samples)
    network = HandNetwork(hands.model).eval()
    report = dict(megabytes=args.model.stat().st_size / 1e6, threads=args.threads)
    with torch.no_grad():
        errors = differences(network, session, crops)
        report.update(
            crops=len(crops),
            largest=float(errors.max()),
            above_tenth_mm=int((errors > 1e-4).sum()),
        )
        report['speed'] = {
            batch: measure(
                network, session, crops[torch.arange(batch) % len(crops)], args.repeats
            )
            for batch in args.batch
        }
    show(args.model, report)
    if args.out:
        write_whole(args.out, json.dumps(report, indent=2))


if __name__ == '__main__':
    main()
