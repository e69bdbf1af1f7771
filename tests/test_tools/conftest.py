import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def tool(monkeypatch, capfd):
    """Run a tool in this process; returns exit status, output and last error line."""

    def run(name, *arguments):
        monkeypatch.setattr(sys, 'argv', [name, *map(str, arguments)])
        status = 0
        try:
            runpy.run_path(str(ROOT / 'tools' / name), run_name='__main__')
        except SystemExit as end:
            status = end.code
        out, err = capfd.readouterr()
        return status, out, (err.strip().splitlines() or [''])[-1]

    return run


@pytest.fixture(scope='session')
def export(tmp_path_factory):
    """kind -> the exported file and what it was made of, made when first asked for."""
    from tests.onnx_models import export_with_the_tool

    made = {}

    def get(kind):
        if kind not in made:
            made[kind] = export_with_the_tool(kind, tmp_path_factory.mktemp(kind))
        return made[kind]

    return get
