"""How many threads to compute with: the cores that are free to this process.

Threads on cores that others use wait for each other: a call that takes 25 ms with one
thread took over a second with two beside a busy program. So threads are counted by
what is left over of the cores: those that the process may use (its affinity, as of
``taskset`` and batch systems), at most the share that its control groups grant
(``docker --cpus``), less what other programs use of them at that time.
``OMP_NUM_THREADS``, where it is set, is the user's own choice and wins.
"""

import os
import time
from pathlib import Path

WATCHED = 0.2  # seconds over which the use of the cores is measured
STAT = Path('/proc/stat')
OWN_GROUP = Path('/proc/self/cgroup')
GROUPS = Path('/sys/fs/cgroup')
CHOSEN = 'OMP_NUM_THREADS'
IDLE = (3, 4)  # columns of a core's times in /proc/stat: idle, waiting for a disk


def free_threads(watched: float = WATCHED) -> int:
    """Threads to compute with now, at least one.

    Args:
        watched: seconds over which it is measured how busy the cores are.
    """
    chosen = os.environ.get(CHOSEN, '').split(',')[0].strip()
    if chosen.isdigit() and int(chosen) > 0:
        return int(chosen)
    cores = allowed_cores()
    before = idle_seconds(cores)
    time.sleep(watched if before is not None else 0)
    after = idle_seconds(cores)
    free = float(len(cores))
    if before is not None and after is not None and watched > 0:
        free = min(free, (after - before) / watched)
    return max(1, round(min(free, granted_cores())))


def allowed_cores() -> set[int]:
    """Numbers of the cores that this process may run on."""
    if hasattr(os, 'sched_getaffinity'):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def granted_cores() -> float:
    """Cores' worth of time that the control groups grant; infinite without a limit."""
    return min(
        (_limit(folder) for folder in _own_groups()),
        default=float('inf'),
    )


def _own_groups() -> list[Path]:
    """Folders of this process's control groups and those around them."""
    try:
        lines = OWN_GROUP.read_text().splitlines()
    except OSError:
        lines = []
    folders = [GROUPS, GROUPS / 'cpu']
    for line in lines:
        _, kinds, place = line.split(':', 2)
        if kinds and 'cpu' not in kinds.split(','):
            continue
        root = GROUPS / 'cpu' if kinds else GROUPS
        inside = [part for part in place.split('/') if part and part != '..']
        folders += [root.joinpath(*inside[: i + 1]) for i in range(len(inside))]
    return folders


def _limit(group: Path) -> float:
    """Of one group, of version 2 or 1 of Linux's control groups."""
    try:
        if (group / 'cpu.max').exists():
            quota, period = (group / 'cpu.max').read_text().split()
        else:
            quota, period = (
                (group / f'cpu.cfs_{name}_us').read_text().strip()
                for name in ('quota', 'period')
            )
    except (OSError, ValueError):
        return float('inf')
    limited = quota.isdigit() and int(quota) > 0
    return int(quota) / int(period) if limited else float('inf')


def idle_seconds(cores: set[int]) -> float | None:
    """Time for which these cores had nothing to do, summed; None where unknown."""
    try:
        lines = STAT.read_text().splitlines()
    except OSError:
        return None
    ticks = os.sysconf('SC_CLK_TCK')
    total = 0.0
    for line in lines:
        name, *times = line.split()
        if name[:3] == 'cpu' and name[3:].isdigit() and int(name[3:]) in cores:
            total += sum(int(times[column]) for column in IDLE) / ticks
    return total
