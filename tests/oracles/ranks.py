"""One evaluation by several processes, forked: importing torch again takes longer."""

import functools
import os
import socket

import torch
from mmengine.dataset import DefaultSampler
from mmengine.evaluator import Evaluator


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def run_ranks(work, world_size, *arguments):
    """``work(rank, *arguments)`` in forked processes of one gloo group."""
    process = functools.partial(_joined, work, world_size, free_port())
    torch.multiprocessing.start_processes(
        process, arguments, nprocs=world_size, start_method='fork'
    )


def _joined(work, world_size, port, rank, *arguments):
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', f'tcp://127.0.0.1:{port}', rank=rank, world_size=world_size
    )
    try:
        work(rank, *arguments)
    finally:
        torch.distributed.destroy_process_group()


def evaluate_share(rank, metrics, make_sample, count, out_path):
    """Evaluate this rank's share, in order and shuffled; saves the metrics."""
    os.chdir(os.path.dirname(out_path))  # BaseMetric puts its collection there
    evaluator, found = Evaluator(metrics), []
    for shuffle in (False, True):
        for index in DefaultSampler(range(count), shuffle=shuffle, seed=0):
            evaluator.process([make_sample(index)])
        found.append(evaluator.evaluate(count))
    torch.save(found, f'{out_path}.{rank}')
