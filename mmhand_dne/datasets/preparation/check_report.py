"""What checking a download found: lines to read, a file to keep, an exit status."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mmhand_dne.fileio.atomic import write_whole

OK, WARNING, PROBLEM, SKIPPED = 'ok', 'warning', 'problem', 'not checked'
EXAMPLES = 3  # shown of each check; the file has all that were kept
KEPT = 100


class CheckResult(NamedTuple):
    """The outcome of one check."""

    name: str
    status: str  # OK, WARNING, PROBLEM or SKIPPED
    found: str
    examples: tuple[str, ...] = ()  # of what is wrong, the first ones


class CheckReport:
    """Checks in the order in which they were made.

    Args:
        title: of what they are.

    Attributes:
        checks: list of :class:`CheckResult`.
    """

    def __init__(self, title: str) -> None:
        self.title = title
        self.checks: list[CheckResult] = []

    def add(
        self, name: str, status: str, found: str, examples: Sequence[str] = ()
    ) -> None:
        """Note an outcome and print its lines."""
        self.checks.append(CheckResult(name, status, found, tuple(examples)[:KEPT]))
        print(self._lines(self.checks[-1]), flush=True)

    def expect(
        self,
        name: str,
        good: bool,
        found: str,
        wanted: str = '',
        examples: Sequence[str] = (),
        otherwise: str = PROBLEM,
    ) -> bool:
        """Note OK or, where it is not ``good``, ``otherwise`` with what was wanted."""
        text = found if good or not wanted else f'{found}, expected {wanted}'
        self.add(name, OK if good else otherwise, text, () if good else examples)
        return good

    @property
    def problems(self) -> list[CheckResult]:
        """What has to be put right."""
        return [check for check in self.checks if check.status == PROBLEM]

    def write(self, path: str | Path) -> None:
        """Write all checks as JSON; the file is whole or not there."""
        content = dict(
            title=self.title,
            problems=len(self.problems),
            checks=[check._asdict() for check in self.checks],
        )
        write_whole(path, json.dumps(content, indent=1).encode() + b'\n')

    def _lines(self, check: CheckResult) -> str:
        lines = [f'  {check.status:<12}{check.name:<40}{check.found}']
        lines += [f'{"":14}{example}' for example in check.examples[:EXAMPLES]]
        more = len(check.examples) - EXAMPLES
        if more > 0:
            lines.append(f'{"":14}... and {more}{"+" * (more + EXAMPLES == KEPT)} more')
        return '\n'.join(lines)
