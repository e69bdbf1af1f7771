"""The same work on many items, in processes that end with their parent."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import cv2
import torch

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.progress import Progress

Item, Result = TypeVar('Item'), TypeVar('Result')


def in_workers(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    workers: int,
    title: str,
    chunk: int = 64,
    weight: Callable[[Item], int] = lambda item: 1,
) -> Iterator[Result]:
    """``function`` of each item, in the order of the items, with a progress bar.

    Args:
        function: of a module; what it returns is pickled.
        workers: processes; 1: this one.
        title: of the progress bar.
        chunk: items that a worker gets at once.
        weight: by how much an item moves the progress bar.
    Raises:
        ValueError: a worker was killed, mostly for want of memory.
    """
    with Progress(sum(map(weight, items)), title) as bar:
        for result, item in zip(_results(function, items, workers, chunk), items):
            yield result
            bar.update(weight(item))


def _results(
    function: Callable[[Item], Result], items: Sequence[Item], workers: int, chunk: int
) -> Iterator[Result]:
    if workers <= 1 or not items:
        yield from map(function, items)
        return
    # Forked ones start at once; Windows has none.
    forks = 'fork' in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context('fork' if forks else 'spawn')
    with ProcessPoolExecutor(workers, context, _start_worker, (os.getpid(),)) as pool:
        try:
            yield from pool.map(function, items, chunksize=chunk)
        except BrokenProcessPool as error:
            raise UserError(
                'a worker process was killed, perhaps for want of memory; use fewer '
                '--workers'
            ) from error


def use_one_thread() -> None:
    """One thread in this process: many processes are faster, sums have one order."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)


def _start_worker(parent: int) -> None:
    """One thread per process, and an end when the parent is killed."""
    use_one_thread()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
