"""Supported versions, each with the one pip line that repairs it.

Only the standard library is imported here, so that ``tools/check_env.py`` can load
this file by its path on a machine where nothing is installed.
"""

import re
import sys
from importlib import metadata
from typing import NamedTuple

PYTHON_MIN, PYTHON_MAX = (3, 10), (3, 14)  # tried, see tools/test_matrix.sh


class Requirement(NamedTuple):
    """One package that importing the plug-in needs."""

    distributions: tuple[str, ...]  # pip names, any of them will do
    module: str
    minimum: tuple[int, ...]
    below: tuple[int, ...] | None
    install: str  # command that repairs it
    why: str


REQUIREMENTS = (
    Requirement(
        ('numpy',),
        'numpy',
        (1, 22),
        (3,),
        'pip install "numpy>=1.22,<3"',
        'arrays',
    ),
    Requirement(
        ('torch',), 'torch', (2, 6), None, 'pip install torch==2.13.0', 'the network'
    ),
    Requirement(
        ('mmengine', 'onedl-mmengine'),
        'mmengine',
        (0, 10, 7),
        (1,),
        'pip install "mmengine>=0.10.7,<1"',
        'runner, hooks, registries',
    ),
    Requirement(
        ('mmcv', 'mmcv-lite', 'onedl-mmcv', 'onedl-mmcv-lite'),
        'mmcv',
        (2, 0, 0),
        (3, 0, 1),
        'pip install mmcv-lite==2.1.0',
        'image operations of MMPose (mmcv with ops works as well)',
    ),
    Requirement(
        ('mmpose',),
        'mmpose',
        (1, 3, 2),
        (1, 4),
        'pip install --no-deps mmpose==1.3.2',
        'data pipeline, base classes, registries',
    ),
)


def parse_version(text: str) -> tuple[int, ...]:
    """Leading numbers of a version: ``'2.13.0+cpu'`` gives (2, 13, 0)."""
    numbers = re.match(r'\d+(\.\d+)*', text)
    return tuple(int(n) for n in numbers.group().split('.')) if numbers else ()


def installed_version(requirement: Requirement) -> str | None:
    """Version of the first installed distribution, None if there is none."""
    for name in requirement.distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def problem_with(requirement: Requirement) -> str | None:
    """One sentence if the package is absent or outside its window, else None."""
    found, name = installed_version(requirement), requirement.distributions[0]
    if found is None:
        return f'{name} is not installed ({requirement.why})'
    version = parse_version(found)
    window = '.'.join(map(str, requirement.minimum)) or 'any'
    if requirement.below is not None:
        window += f' to below {".".join(map(str, requirement.below))}'
    low = version < requirement.minimum
    high = requirement.below is not None and version >= requirement.below
    if low or high:
        return f'{name} {found} is installed, wanted {window} ({requirement.why})'
    return None


def python_problem(version: tuple[int, ...] = tuple(sys.version_info)) -> str | None:
    """One sentence if this Python is too old or untested, else None."""
    if PYTHON_MIN <= version[:2] <= PYTHON_MAX:
        return None
    found = '.'.join(map(str, version[:2]))
    return f'Python {found} runs, wanted 3.10 to 3.14 (it is untested)'


def check_versions() -> None:
    """Refuse a stack that cannot work, naming the line that repairs it.

    Raises:
        ImportError: a required package is absent or outside its window.
    """
    for requirement in REQUIREMENTS:
        problem = problem_with(requirement)
        if problem is not None:
            raise ImportError(
                f'mmhand_dne cannot start: {problem}; run\n{requirement.install}'
            )
