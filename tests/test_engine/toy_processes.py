"""Run a function in forked processes, as a launcher would, without importing again."""

import os
import signal
import socket
import time
import traceback
from contextlib import suppress
from multiprocessing import get_context

import numpy as np
import torch


def run_forked(target, *args, processes=1) -> list[int]:
    """Run ``target(*args)`` in each process; returns the exit codes.

    With more than one process they find the variables that torchrun sets. Once one
    has failed the others are ended, as torchrun would; signal 9 is exit code -9, and
    None stands for a process that had to be ended.
    """
    context = get_context('fork')
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    world = processes if processes > 1 else 0
    workers = [
        context.Process(target=_call, args=(target, args, rank, world, port))
        for rank in range(processes)
    ]
    for worker in workers:
        worker.start()
    try:
        return _wait(workers)
    finally:
        for worker in workers:
            # The workers of a killed data loader never end by themselves.
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.join()


def _wait(workers, seconds=120) -> list[int]:
    """Exit codes; the others get a second once one has failed."""
    deadline = time.monotonic() + seconds
    while True:
        codes = [worker.exitcode for worker in workers]
        if None not in codes or time.monotonic() > deadline:
            return codes
        if any(codes):
            deadline = min(deadline, time.monotonic() + 1)
        time.sleep(0.02)


def _call(target, args, rank, world, port) -> None:
    os.setsid()  # a group with the workers of its data loaders
    torch.set_num_threads(1)  # OpenMP's threads did not survive the fork
    np.random.seed()  # as different as in a process that was not forked
    if world:
        os.environ.update(
            RANK=str(rank),
            LOCAL_RANK=str(rank),
            WORLD_SIZE=str(world),
            MASTER_ADDR='127.0.0.1',
            MASTER_PORT=str(port),
        )
    try:
        target(*args)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)
