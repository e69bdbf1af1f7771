"""The console command ``mmhand-dne``: the tools, wherever the package lies.

    mmhand-dne demo photo.jpg --vis

runs ``tools/demo.py`` of the installed package. Only the standard library is imported
here, so that help and ``setup`` answer at once and on a machine where nothing else is
installed.
"""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[1] / '.mim' / 'tools'
# Command: (tool, what it does); of several words where a tool has brothers.
COMMANDS = {
    'demo': ('demo.py', 'hands of photos, videos or a camera'),
    'check': ('check_env.py', 'say what is installed, what is missing, the repair'),
    'train': ('train.py', 'train a config, such as dne_interhand'),
    'test': ('test.py', 'score a checkpoint'),
    'render': ('make_rendered_data.py', 'render a data set'),
    'prepare interhand': (
        'dataset_converters/prepare_interhand.py',
        'check and index a download of InterHand2.6M',
    ),
    'prepare freihand': (
        'dataset_converters/prepare_freihand.py',
        'the same of FreiHAND',
    ),
    'prepare ho3d': ('dataset_converters/prepare_ho3d.py', 'the same of HO-3D'),
    'convert hamer': (
        'model_converters/convert_hamer.py',
        "HaMeR's and Hand-Uncertainty's released weights",
    ),
    'convert mediapipe': (
        'model_converters/convert_mediapipe.py',
        "MediaPipe Hands' networks",
    ),
    'export': ('deployment/export_onnx.py', 'a model as an ONNX file'),
    'run': ('deployment/run_onnx.py', 'an ONNX file on a photo, without PyTorch'),
}
SETUP = 'setup'
WITHOUT_MMPOSE = ('check', 'run')
# What the package's metadata cannot ask for: see setup.py.
MMPOSE = ('--no-deps', 'mmpose==1.3.2')
MMCV = ('mmcv-lite==2.1.0',)


def usage() -> str:
    """The list of commands."""
    width = max(map(len, COMMANDS)) + 2
    rows = [(SETUP, 'install MMPose and, where there is none, mmcv-lite')]
    rows += [(name, about) for name, (_, about) in COMMANDS.items()]
    lines = '\n'.join(f'  {name:{width}}{about}' for name, about in rows)
    return (
        'usage: mmhand-dne COMMAND [flags]\n\n'
        f'3D hand meshes with error bars.\n\ncommands:\n{lines}\n\n'
        'mmhand-dne COMMAND --help says more.'
    )


def split_command(words: list[str]) -> tuple[str, list[str]] | None:
    """The command that the words begin with, and the words after it; None if none."""
    for count in (1, 2):
        name = ' '.join(words[:count])
        if name in COMMANDS or name == SETUP:
            return name, words[count:]
    return None


def installer() -> list[str]:
    """The command that installs into this environment: pip, or uv where it has none.

    Raises:
        SystemExit: neither is there.
    """
    if importlib.util.find_spec('pip') is not None:
        return [sys.executable, '-m', 'pip', 'install']
    uv = shutil.which('uv')
    if uv is not None:
        return [uv, 'pip', 'install', '--python', sys.executable]
    raise SystemExit(
        'error: neither pip nor uv is here; install one: '
        f'{sys.executable} -m ensurepip, or https://docs.astral.sh/uv'
    )


def setup(flags: list[str]) -> int:
    """Install what the package's metadata cannot ask for.

    Args:
        flags: of pip, such as ``--no-index --find-links DIR``.
    Returns: the exit status.
    """
    if {'-h', '--help'} & set(flags):
        print(
            'usage: mmhand-dne setup [flags of pip install]\n\n'
            f'installs {MMPOSE[1]} without the packages that it asks for and never '
            f'imports, and {MMCV[0]} where there is no mmcv'
        )
        return 0
    wanted = [] if importlib.util.find_spec('mmcv') else [MMCV]
    if importlib.util.find_spec('mmpose') is None:
        wanted.append(MMPOSE)
    for packages in wanted:
        status = subprocess.call([*installer(), *flags, *packages])
        if status:
            return status
    print('everything is installed; mmhand-dne check says so in detail')
    return 0


def main() -> None:
    """Run the command of the command line; exit status 2 if there is none such."""
    words = sys.argv[1:]
    if not words or words[0] in ('-h', '--help', 'help'):
        print(usage())
        return
    found = split_command(words)
    if found is None:
        sys.exit(unknown(words))
    name, rest = found
    if name == SETUP:
        sys.exit(setup(rest))
    absent = [m for m in ('mmcv', 'mmpose') if importlib.util.find_spec(m) is None]
    if absent and name not in WITHOUT_MMPOSE:
        print(
            f'error: {" and ".join(absent)} not installed; run: mmhand-dne {SETUP}',
            file=sys.stderr,
        )
        sys.exit(2)
    script = TOOLS / COMMANDS[name][0]
    sys.argv = [f'mmhand-dne {name}', *rest]
    run_script(script)


def run_script(script: Path) -> None:
    """Run a file as Python runs its main program, except that ``sys.argv`` stays.

    Its usage then begins with the command's own name, and processes that it spawns
    find it by its path.
    """
    sys.path.insert(0, str(script.parent))
    spec = importlib.util.spec_from_file_location('__main__', script)
    module = importlib.util.module_from_spec(spec)
    module.__spec__ = None  # what multiprocessing takes for a script
    sys.modules['__main__'] = module
    spec.loader.exec_module(module)


def unknown(words: list[str]) -> int:
    """Name the commands that there are instead; the exit status."""
    brothers = [name for name in COMMANDS if name.startswith(f'{words[0]} ')]
    wanted = ', '.join(brothers or [SETUP, *COMMANDS])
    print(
        f'error: there is no command {" ".join(words[:2])!r}; choose one of {wanted}',
        file=sys.stderr,
    )
    return 2


if __name__ == '__main__':
    main()
