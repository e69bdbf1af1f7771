"""What setup.py asks for, a line each: what depends on torch, or all that does not.

A machine that has torch must not get a second one, so the two are installed apart, the
second with ``--no-deps``. Only the standard library is imported.

Example:
    pip install $(python tools/misc/requirements.py plain)
    pip install --no-deps $(python tools/misc/requirements.py on-torch)
"""

import argparse
import ast
import re
from pathlib import Path

SETUP = Path(__file__).resolve().parents[2] / 'setup.py'
ON_TORCH = {'roma'}


def requirements(path: Path = SETUP) -> list[str]:
    """``INSTALL_REQUIRES`` of a setup.py, read without running it."""
    for node in ast.parse(path.read_text(encoding='utf-8')).body:
        if isinstance(node, ast.Assign) and node.targets[0].id == 'INSTALL_REQUIRES':
            return ast.literal_eval(node.value)
    raise SystemExit(f'error: {path} has no list INSTALL_REQUIRES')


def name_of(requirement: str) -> str:
    """``'numpy>=1.22'`` gives ``'numpy'``."""
    return re.match(r'[\w-]+', requirement).group()


def main() -> None:
    """Print the list of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('kind', choices=('plain', 'on-torch'))
    on_torch = parser.parse_args().kind == 'on-torch'
    for item in requirements():
        name = name_of(item)
        if name != 'torch' and (name in ON_TORCH) == on_torch:
            print(item)


if __name__ == '__main__':
    main()
