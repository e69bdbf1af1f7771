"""Say what the plug-in needs, what is there, and the command that repairs the rest.

Runs with nothing installed. Exit status 1 if the plug-in cannot run; what is broken and
needed for a part of it only is named in the last line.

Example:
    python tools/check_env.py
    python tools/check_env.py --mano data/mano
"""

import argparse
import importlib
import importlib.util
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
# Beside this folder in a checkout, above it in a wheel (mmhand_dne/.mim/tools).
PACKAGE = next(
    (p for p in (HERE.parent / 'mmhand_dne', HERE.parent.parent) if p.exists()), HERE
)
# What else is imported: module, what pip calls it.
MODULES = (
    ('scipy', 'scipy'),
    ('matplotlib', 'matplotlib'),
    ('PIL', 'pillow'),
    ('json_tricks', 'json_tricks'),
    ('munkres', 'munkres'),
    ('six', 'six'),
    ('rich', 'rich'),
    ('roma', 'roma'),
)
# Works without; but what is installed and does not load stops MMPose.
OPTIONAL = (
    ('mmcv.ops', 'mmcv.ops', 'compiled operators; no model of ours uses them'),
    ('torchvision', 'torchvision', 'MMPose draws SimCC codes with it'),
    ('mmdet', 'mmdet', 'MMPose detects people with it'),
)
# Imported where a config asks for it: name, what to know of it, what asks.
ON_REQUEST = (
    ('tensorboard', '', 'the TensorBoard back end'),
    ('onnx', '', 'the ONNX export'),
    ('onnxscript', '', 'the ONNX export'),
    ('onnxruntime', '', 'the ONNX export and exported models'),
    ('plotly', '', "the demo's --report"),
    (
        'smplx',
        "licence: non-commercial research; imported for backend='smplx' only",
        "hand_model.backend='smplx' and the tests (licence: non-commercial research)",
    ),
)
# A library that packages want in versions that exclude each other: mediapipe's one with
# solutions wants protobuf 4, onnx and TensorBoard a later one.
SHARED = 'protobuf'
OWN_ENVIRONMENT = (
    'pip uninstall -y {names}; pip install --upgrade {shared} {others}  '
    '# and {names} in an environment of its own'
)
TORCH_SELECTOR = 'https://pytorch.org/get-started/locally'
HEADLESS = (
    'pip uninstall -y opencv-python && '
    'pip install "opencv-python-headless>=4.5,<6"  # or: apt-get install -y libgl1'
)


class Row(NamedTuple):
    """One line of the report."""

    state: str  # ok | note | missing | broken; the last two stop the plug-in
    name: str
    text: str
    repair: str = ''
    stops: bool = True  # whether a broken one stops the plug-in, not a part of it


def load_from_compat(name: str):
    """A file of ``mmhand_dne/compat`` without importing the package around it."""
    path = PACKAGE / 'compat' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(f'check_env_{name}', path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def import_error(module: str) -> str | None:
    """First line of why a module does not import, None if it does."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            importlib.import_module(module)
    except (Exception, SystemExit) as error:  # a broken binary may raise anything
        return f'{type(error).__name__}: {error}'.splitlines()[0]
    return None


def check_required(versions) -> Iterator[Row]:
    """Python and the packages with a version window."""
    python = '.'.join(map(str, sys.version_info[:3]))
    problem = versions.python_problem()
    repair = 'python3 -m venv .venv  # of a Python 3.10 to 3.14'
    yield (
        Row('note', 'python', problem, repair)
        if problem
        else Row('ok', 'python', python)
    )
    for item in versions.REQUIREMENTS:
        problem = versions.problem_with(item)
        if problem:
            yield Row('missing', item.distributions[0], problem, item.install)
            continue
        # mmpose imports only with our stand-ins; the last check imports it.
        error = None if item.module == 'mmpose' else import_error(item.module)
        if error:
            repair = item.install.replace('install', 'install --force-reinstall', 1)
            yield Row('broken', item.distributions[0], error, repair)
        else:
            yield Row('ok', item.distributions[0], versions.installed_version(item))


def check_modules() -> Iterator[Row]:
    """The packages of which any usual version will do."""
    for module, pip_name in MODULES:
        yield _row(pip_name, import_error(module), f'pip install {pip_name}')


def check_coco(names) -> Row:
    """xtcocotools, or pycocotools in its place."""
    absent, problem = names.loading_problem(names.XT), names.loading_problem(names.PY)
    if problem is None:
        text = '' if absent is None else f'in place of xtcocotools ({absent})'
        return Row('ok', names.PY, text)
    if absent is None:
        return Row('ok', names.XT, '')
    return _row(names.PY, problem, f'pip install {names.PY}')


def check_opencv() -> Row:
    """OpenCV, whose usual build needs libGL of the system."""
    error = import_error('cv2')
    if error and re.search('libGL|libgthread|libglib', error):
        return Row('broken', 'opencv-python', error, HEADLESS)
    return _row('opencv-python', error, 'pip install "opencv-python>=4.5,<6"')


def _row(name: str, error: str | None, repair: str) -> Row:
    if error is None:
        return Row('ok', name, '')
    absent = error.startswith('ModuleNotFoundError')
    if not absent:
        repair = repair.replace('install', 'install --force-reinstall', 1)
    return Row('missing' if absent else 'broken', name, error, repair)


def check_optional(stand_ins) -> Iterator[Row]:
    """Packages that may be absent."""
    for name, module, use in OPTIONAL:
        package = stand_ins.OPTIONAL_PACKAGES[name]
        if not stand_ins.is_present(package):
            yield Row('note', name, f'absent, not needed ({use})', package.remedy)
            continue
        error = import_error(module)
        remove = f'pip uninstall -y {"mmcv" if name == "mmcv.ops" else name}'
        if error:
            text = f'installed, does not load beside this torch ({error})'
            yield Row('broken', name, text, remove)
        else:
            yield Row('ok', name, use)
    for name, licence, use in ON_REQUEST:
        row = _row(name, import_error(name), f'pip install {name}')
        if row.state == 'missing':
            row = row._replace(state='note', text=f'absent, needed for {use} only')
        elif row.state == 'ok':
            row = row._replace(text=licence)
        yield row._replace(stops=False)
    yield from check_shared()


def check_shared() -> Iterator[Row]:
    """Whether each package that asks for ``SHARED`` can have it as it is."""
    try:
        found = metadata.version(SHARED)
    except metadata.PackageNotFoundError:
        return
    wanted = wanted_versions(SHARED)
    refusing = {name: text for name, (text, fits) in wanted.items() if not fits}
    if not refusing:
        yield Row('ok', SHARED, found)
        return
    text = ', '.join(
        f'{name} wants {text or "any"}' for name, (text, _) in wanted.items()
    )
    # Those that pin an old one lose: the rest of the environment has moved on.
    pinned = sorted(name for name, (text, _) in wanted.items() if '<5' in text)
    others = sorted(set(refusing) - set(pinned))
    repair = f'pip install --upgrade {" ".join([SHARED, *others])}'
    if pinned:
        repair = OWN_ENVIRONMENT.format(
            names=' '.join(pinned), shared=SHARED, others=' '.join(others)
        )
    yield Row('broken', SHARED, f'{found} is installed; {text}', repair, stops=False)


def wanted_versions(name: str) -> dict[str, tuple[str, bool]]:
    """What each installed package wants of another, and whether that is there."""
    try:
        from packaging.requirements import Requirement
    except ImportError:  # pip has a copy
        from pip._vendor.packaging.requirements import Requirement
    wanted = {}
    for package in metadata.distributions():
        for text in package.requires or ():
            requirement = Requirement(text)
            marker = requirement.marker
            if (
                requirement.name != name
                or marker
                and not marker.evaluate({'extra': ''})
            ):
                continue
            fits = requirement.specifier.contains(metadata.version(name), True)
            wanted[package.metadata['Name']] = (str(requirement.specifier), fits)
    return dict(sorted(wanted.items()))


def check_cuda() -> Iterator[Row]:
    """The accelerator, and a torch that cannot use the one that is there."""
    if import_error('torch') is not None:
        return
    import torch

    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    name = torch.cuda.get_device_name(0) if found else ''
    yield cuda_row(name, torch.__version__, torch.version.cuda, has_nvidia_driver())


def cuda_row(name: str, version: str, built_for: str | None, driver: bool) -> Row:
    """What to say of the accelerator.

    Args:
        name: of the device that torch sees, '' if none.
        version: of torch.
        built_for: CUDA version that torch was built for, None for the CPU alone.
        driver: whether NVIDIA's driver is installed.
    """
    if name:
        return Row('ok', 'CUDA', name)
    if not driver:
        return Row('note', 'CUDA', 'none, the CPU is used')
    reason = (
        f'is built for CUDA {built_for} and sees none, so the driver may be too old'
    )
    if built_for is None:
        reason = 'is built for the CPU alone'
    text = f"NVIDIA's driver is here, but torch {version} {reason}"
    repair = (
        f'pip uninstall -y torch, then the line of {TORCH_SELECTOR} for your driver'
    )
    return Row('broken', 'CUDA', text, repair, stops=False)


def has_nvidia_driver() -> bool:
    """Whether this machine has NVIDIA's driver."""
    driver = Path('/proc/driver/nvidia/version')
    return shutil.which('nvidia-smi') is not None or driver.exists()


def check_plugin() -> Row:
    """The plug-in itself, which imports all of MMPose."""
    if importlib.util.find_spec('mmhand_dne') is None:
        sys.path.insert(0, str(PACKAGE.parent))
    error = import_error('mmhand_dne.apis')  # imports all the rest
    if error:
        remedy = 'the commands above, first to last, or bash tools/install.sh'
        return Row('broken', 'mmhand_dne', error, remedy)
    return Row('ok', 'mmhand_dne', sys.modules['mmhand_dne'].__version__)


def check_mano(folder: Path) -> Iterator[Row]:
    """The licensed MANO files, only where the caller says that there are some."""
    from mmhand_dne.hand_model.mano_file import read_mano

    for name in ('MANO_RIGHT.pkl', 'MANO_LEFT.pkl'):
        try:
            read_mano(folder / name)
        except (ValueError, OSError) as error:
            repair = 'download MANO v1.2 from https://mano.is.tue.mpg.de'
            yield Row('broken', name, str(error), repair)
        else:
            yield Row('ok', name, str(folder))


def collect(mano: Path | None) -> Iterator[Row]:
    """Every row of the report, in the order of repair."""
    yield check_opencv()  # first: mmengine and mmcv import it
    yield from check_required(load_from_compat('versions'))
    yield from check_modules()
    yield check_coco(load_from_compat('coco_names'))
    yield from check_optional(load_from_compat('optional_modules'))
    yield from check_cuda()
    plugin = check_plugin()
    yield plugin
    if mano is not None and plugin.state == 'ok':
        yield from check_mano(mano)


def name_causes_once(rows: Iterator[Row]) -> Iterator[Row]:
    """A package that fails with the error of an earlier one needs no other repair."""
    causes = {}
    for row in rows:
        cause = causes.setdefault(row.text, row.name)
        if row.state == 'broken' and cause != row.name:
            row = row._replace(text=f'because of {cause}', repair=f'that of {cause}')
        yield row


def main() -> int:
    """Print the report; 1 if something stops the plug-in, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--mano', type=Path, help='folder of MANO_{RIGHT,LEFT}.pkl')
    blocked, without = False, []
    for row in name_causes_once(collect(parser.parse_args().mano)):
        print(f'{row.state:8}{row.name:16}{row.text}')
        if row.state in ('missing', 'broken'):
            blocked |= row.stops
            without += [] if row.stops else [row.name]
            print(f'{"":8}repair: {row.repair}')
        elif row.repair:
            print(f'{"":8}if wanted: {row.repair}')
    rest = f', but without {", ".join(without)}: see above' if without else ''
    print('The plug-in cannot run.' if blocked else f'The plug-in can run{rest}.')
    return int(blocked)


if __name__ == '__main__':
    sys.exit(main())
