"""Time and peak memory of a training step: our DNE beside MMPose's InterNet.

Beside both runs DNE with the parts that it had before they were made cheaper (folder
``former``), so that the gain is printed by one run; on request also DNE with the
switches of tools/train.py, ``--channels-last`` and ``--compile``, and with an optimiser
that takes each parameter by itself (``optim_wrapper.optimizer.fused=False``).

Each model lives in a process of its own; steps alternate between them, so that a
busy machine slows all alike; CPU time, summed over threads, hardly depends on that.
Batches are random and already on the device: no image is read, and InterNet's 3D heat
maps are encoded before the clock starts.

Example:
    python tools/benchmarks/train_step.py --batch-size 2 --repeats 3 --device cpu
    python tools/benchmarks/train_step.py --models dne channels-last compiled
"""

import argparse
import json
import multiprocessing
import os
import re
import statistics
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = {
    'dne': 'DNE (ours)',
    'former': 'DNE, former parts',
    'internet': 'InterNet (MMPose)',
    'channels-last': 'DNE, channels last',
    'compiled': 'DNE, compiled',
    'unfused': 'DNE, Adam not fused',
}
MEASURED = ['dne', 'former', 'internet']  # where no models are named
RATIOS = (
    ('dne', 'former'),
    ('internet', 'dne'),
    ('channels-last', 'dne'),
    ('compiled', 'dne'),
    ('dne', 'unfused'),
)


def parse_args(args=None):
    """The flags of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--config', default=str(ROOT / 'configs/dne_interhand.py'))
    parser.add_argument('--batch-size', type=int, default=2)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--device', default='cpu', help='cpu, cuda, cuda:1, ...')
    parser.add_argument('--threads', type=int, default=os.cpu_count())
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument(
        '--amp', action='store_true', help='as of train.py: float16 on CUDA'
    )
    precision.add_argument(
        '--bf16', action='store_true', help='bfloat16, on any device'
    )
    parser.add_argument('--models', nargs='+', choices=NAMES, default=MEASURED)
    parser.add_argument('--out', type=Path, help='write the numbers to this json file')
    return parser.parse_args(args)


def memory_mb(key: str) -> float:
    """VmRSS or VmHWM (high water) of this process, MiB."""
    status = Path('/proc/self/status').read_text()
    return int(re.search(rf'{key}:\s+(\d+)', status)[1]) / 1024


def serve(connection, model: str, args) -> None:
    """Child process: build a model, then a step for each message until None."""
    import torch
    from former.parts import former_config, use_former_parts
    from mmengine.logging import MMLogger
    from step_models import build, hand_batch, internet_batch, load_config, watch_parts
    from stopwatch import Stopwatch

    from mmhand_dne.cli.run_flags import apply_amp

    torch.set_num_threads(args.threads)
    MMLogger.get_instance('benchmark', log_level='ERROR')
    cfg = load_config(model, args.config)
    if args.amp:
        apply_amp(cfg)
    if args.bf16:
        cfg.optim_wrapper.type = 'BFloat16OptimWrapper'
    if model == 'former':
        former_config(cfg)
    if model == 'unfused':
        cfg.optim_wrapper.optimizer.update(fused=False, foreach=False)
    network, optimiser = build(model, cfg, args.device)
    if model == 'former':
        use_former_parts(network)
    switch_on(network, model)
    if model != 'internet':
        batch = hand_batch(network, args.batch_size, cfg.input_size)
    else:
        batch = internet_batch(cfg, args.batch_size)
    cuda = args.device.startswith('cuda')
    watch = Stopwatch(cuda)
    watch_parts(watch, network, optimiser)
    step = watch.timed(network.train_step, 'other')
    before = memory_mb('VmRSS')
    parameters = sum(p.numel() for p in network.parameters())
    connection.send(dict(parameters=parameters))
    while connection.recv() is not None:
        start, cpu_start = time.perf_counter(), time.process_time()
        step(copy_batch(batch), optimiser)
        result = dict(seconds=time.perf_counter() - start, parts=watch.take())
        result['cpu_seconds'] = time.process_time() - cpu_start
        result.update(rss_before=before, rss_peak=memory_mb('VmHWM'))
        if cuda:
            result['cuda_peak'] = torch.cuda.max_memory_allocated() / 2**20
        connection.send(result)


def switch_on(network, model: str) -> None:
    """What the model's name says of the switches of tools/train.py."""
    from types import SimpleNamespace

    from mmhand_dne.engine.hooks import SpeedHook

    switches = {'channels-last': dict(channels_last=True), 'compiled': dict(compile={})}
    if model in switches:
        SpeedHook(**switches[model]).before_train(SimpleNamespace(model=network))


def copy_batch(batch: dict) -> dict:
    """A batch whose samples a step may change."""
    return dict(
        inputs=list(batch['inputs']),
        data_samples=[sample.clone() for sample in batch['data_samples']],
    )


def start(model: str, args):
    """A child process and the connection to it, the model built and warmed up."""
    context = multiprocessing.get_context('spawn')
    connection, other = context.Pipe()
    process = context.Process(target=serve, args=(other, model, args), daemon=True)
    process.start()
    other.close()
    try:
        found = connection.recv()
        connection.send('warm up')
        connection.recv()
    except EOFError:
        process.join()
        raise SystemExit(f'{NAMES[model]}: its process ended, see above') from None
    return process, connection, found


def measure(args) -> dict[str, dict]:
    """Interleaved steps of all models; medians over the repeats."""
    children = {model: start(model, args) for model in args.models}
    steps = {model: [] for model in args.models}
    for _ in range(args.repeats):
        for model, (_, connection, _) in children.items():
            connection.send('step')
            steps[model].append(connection.recv())
    report = {}
    for model, (process, connection, found) in children.items():
        connection.send(None)
        process.join()
        last = steps[model][-1]
        found['seconds'] = [step['seconds'] for step in steps[model]]
        found['median'] = statistics.median(found['seconds'])
        found['cpu_median'] = statistics.median(s['cpu_seconds'] for s in steps[model])
        found['parts'] = {
            name: statistics.median(step['parts'].get(name, 0) for step in steps[model])
            for name in last['parts']
        }
        found.update({k: v for k, v in last.items() if k.startswith(('rss', 'cuda'))})
        report[model] = found
    return report


def print_report(report: dict[str, dict], args) -> None:
    """Print the table of the models, their ratios, and the parts of each."""
    print(
        f'\nOne training step, batch size {args.batch_size}, {args.device}, '
        f'{args.threads} threads, median of {args.repeats} interleaved steps\n'
    )
    print('| model | parameters [M] | step [s] | fastest | image | CPU | peak [MiB] |')
    print('|---|---:|---:|---:|---:|---:|---:|')
    for model, found in report.items():
        print(
            f'| {NAMES[model]} | {found["parameters"] / 1e6:.1f} '
            f'| {found["median"]:.3f} | {min(found["seconds"]):.3f} '
            f'| {found["median"] / args.batch_size:.3f} '
            f'| {found["cpu_median"]:.3f} | {peak(found):.0f} |'
        )
    for one, other in RATIOS:
        if one in report and other in report:
            print_ratio(one, other, report)
    for model, found in report.items():
        print_parts(NAMES[model], found['parts'])


def print_ratio(one: str, other: str, report: dict[str, dict]) -> None:
    """What one takes of the other, in time, CPU time and memory."""
    mine, theirs = report[one], report[other]
    print(
        f'\n{NAMES[one]} / {NAMES[other]}: '
        f'time {mine["median"] / theirs["median"]:.2f}, '
        f'fastest {min(mine["seconds"]) / min(theirs["seconds"]):.2f}, '
        f'CPU time {mine["cpu_median"] / theirs["cpu_median"]:.2f}, '
        f'memory {peak(mine) / peak(theirs):.2f}'
    )


def print_parts(title: str, parts: dict[str, float]) -> None:
    """Table of seconds, forward and backward, and each part's share of the step."""
    from stopwatch import BACKWARD

    total = sum(parts.values())
    print(f'\n| {title} | forward [s] | backward [s] | share |\n|---|---:|---:|---:|')
    for name in dict.fromkeys(name.removesuffix(BACKWARD) for name in parts):
        forward, backward = parts.get(name, 0), parts.get(name + BACKWARD, 0)
        share = 100 * (forward + backward) / total
        print(f'| {name} | {forward:.3f} | {backward:.3f} | {share:.1f} % |')


def peak(found: dict) -> float:
    """Peak memory of a step, MiB: on the device, else of the whole process."""
    return found.get('cuda_peak', found['rss_peak'])


def main(args=None) -> None:
    """Measure, print, and store where asked."""
    args = parse_args(args)
    report = measure(args)
    print_report(report, args)
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(report, indent=2))


if __name__ == '__main__':
    main()
