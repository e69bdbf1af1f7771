"""Threads by the cores that are free to the process."""

import os

import pytest

from mmhand_dne.apis import free_threads as module
from mmhand_dne.apis.free_threads import free_threads, granted_cores, idle_seconds

TICKS = os.sysconf('SC_CLK_TCK')


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Eight cores, all idle; the use of each can be set, and the limits."""
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr(module, 'allowed_cores', lambda: set(range(8)))
    monkeypatch.setattr(module, 'STAT', tmp_path / 'stat')
    monkeypatch.setattr(module, 'OWN_GROUP', tmp_path / 'cgroup')
    monkeypatch.setattr(module, 'GROUPS', tmp_path / 'groups')
    monkeypatch.setattr(module.time, 'sleep', lambda seconds: passes(seconds))
    idle, use = [0.0] * 8, [0.0] * 8

    def passes(seconds):
        for core, share in enumerate(use):
            idle[core] += seconds * (1 - share)
        lines = [
            f'cpu{core} 7 0 7 {round(TICKS * total)} 0 0 0 0 0 0'
            for core, total in enumerate(idle)
        ]
        content = '\n'.join(['cpu  1 2 3 4 5 6 7 8 9 10', *lines, 'intr 5'])
        module.STAT.write_text(content)

    passes(0)
    return use


def test_all_cores_where_nobody_else_computes(machine):
    assert free_threads(1.0) == 8


def test_cores_that_others_use_are_left_out(machine):
    machine[:3] = 1.0, 1.0, 0.9
    assert free_threads(1.0) == 5
    machine[:] = [1.0] * 8
    assert free_threads(1.0) == 1


def test_only_cores_that_the_process_may_use(machine, monkeypatch):
    monkeypatch.setattr(module, 'allowed_cores', lambda: {6, 7})
    machine[:6] = [1.0] * 6
    assert free_threads(1.0) == 2


@pytest.mark.parametrize(
    ('group', 'files', 'threads'),
    [
        ('0::/a/b', {'a/b/cpu.max': '150000 100000'}, 2),
        ('0::/a/b', {'a/cpu.max': '50000 100000', 'a/b/cpu.max': 'max 100000'}, 1),
        ('0::/', {'cpu.max': '300000 100000'}, 3),
        (
            '4:cpu,cpuacct:/a',
            {'cpu/a/cpu.cfs_quota_us': '400000', 'cpu/a/cpu.cfs_period_us': '100000'},
            4,
        ),
        (
            '4:cpu,cpuacct:/a',
            {'cpu/a/cpu.cfs_quota_us': '-1', 'cpu/a/cpu.cfs_period_us': '100000'},
            8,
        ),
        ('3:memory:/a', {'cpu/a/cpu.cfs_quota_us': '100000'}, 8),
    ],
)
def test_a_quota_of_the_control_group(machine, group, files, threads):
    module.OWN_GROUP.write_text(group + '\n')
    for name, content in files.items():
        path = module.GROUPS / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + '\n')
    assert free_threads(1.0) == threads


def test_what_the_user_chose_wins(machine, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '3')
    machine[:] = [1.0] * 8
    assert free_threads(1.0) == 3
    monkeypatch.setenv('OMP_NUM_THREADS', 'many')
    assert free_threads(1.0) == 1


def test_a_machine_that_tells_nothing_has_all_its_cores(machine):
    module.STAT.unlink()
    assert idle_seconds({0}) is None
    assert granted_cores() == float('inf')
    assert free_threads(1.0) == 8


def test_this_machine(monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    assert 1 <= free_threads(0.05) <= len(module.allowed_cores())
