"""The same work on many files, in processes that end with their parent."""

import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import cv2
import torch
from mmengine.utils import ProgressBar

from mmhand_dne.errors import UserError

LOG_LINES = 20  # of a progress bar that goes to a file


def in_workers(
    function: Callable[[Any], Any], items: Sequence, workers: int, chunk: int = 64
) -> Iterator:
    """``function`` of each item, in the order of the items, with a progress bar.

    Args:
        function: of a module; what it returns is pickled.
        workers: processes; 1: this one.
    Raises:
        ValueError: a worker was killed, mostly for want of memory.
    """
    update = show_progress(len(items))
    if workers <= 1:
        for item in items:
            yield function(item)
            update()
        return
    with ProcessPoolExecutor(
        workers, multiprocessing.get_context('fork'), start_worker, (os.getpid(),)
    ) as pool:
        try:
            for result in pool.map(function, items, chunksize=chunk):
                yield result
                update()
        except BrokenProcessPool as error:
            raise UserError(
                'a worker process was killed, perhaps for want of memory; use fewer '
                '--workers'
            ) from error


def show_progress(total: int) -> Callable[[], None]:
    """A bar's update by one; a log file gets some lines of it, not one an item."""
    if not total:
        return lambda: None
    bar = ProgressBar(total, file=sys.stdout)
    step, waiting = (1 if sys.stdout.isatty() else total / LOG_LINES), 0

    def update() -> None:
        nonlocal waiting
        waiting += 1
        if waiting >= step or bar.completed + waiting == total:
            bar.update(waiting)
            waiting = 0
            if bar.completed == total:
                print()

    return update


def start_worker(parent: int) -> None:
    """One thread a process, and an end when the parent is killed."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)

    def watch():
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
