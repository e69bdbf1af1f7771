"""Stand-ins for packages that MMPose imports but this plug-in does not need.

Symptom: MMPose 1.3.2 imports torchvision (``visualization/simcc_vis.py``), mmdet
(``rtmo_head.py``), ``mmcv.ops`` (``edpose_head.py``, ``deformable_detr_layers.py``)
and xtcocotools without a guard, so one absent package hides every model.
Versions: mmpose 1.3.2 (the newest) with mmcv-lite, or without the package.
Can go when MMPose guards these imports.

The stand-ins are visible only while MMPose is imported: afterwards ``sys.modules``
holds none of them, so that ``find_spec`` and every ``try: import`` elsewhere tell
the ground truth. They carry only the names that MMPose imports without a guard; a
guarded ``from mmcv.ops import DeformConv2d`` still raises ``ImportError`` and MMPose
takes its own branch. A package that is installed is never replaced, also if it is
broken.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType
from typing import NamedTuple


class OptionalPackage(NamedTuple):
    """A package that may be absent, and what MMPose takes from it unguarded."""

    probe: str  # module whose presence says that the real package is there
    remedy: str  # command that installs it
    members: dict[str, tuple[str, ...]]  # module name -> names imported from it


OPTIONAL_PACKAGES = {
    'mmcv.ops': OptionalPackage(
        # mmcv-lite ships the Python files of mmcv.ops without their binary.
        probe='mmcv._ext',
        remedy='pip uninstall -y mmcv-lite && pip install "mmcv>=2.0.0,<=3.0.0"',
        members={'mmcv.ops': ('MultiScaleDeformableAttention',)},
    ),
    'mmdet': OptionalPackage(
        probe='mmdet',
        remedy='pip install --no-deps "mmdet>=3.0.0,<3.3.0"',
        members={'mmdet': (), 'mmdet.utils': ('ConfigType', 'reduce_mean')},
    ),
    'torchvision': OptionalPackage(
        probe='torchvision',
        remedy='pip install torchvision',
        members={'torchvision': (), 'torchvision.transforms': ('ToPILImage',)},
    ),
    'xtcocotools': OptionalPackage(
        probe='xtcocotools',
        remedy='pip install pycocotools',  # under its name, see coco_names
        members={
            'xtcocotools': (),
            'xtcocotools.coco': ('COCO',),
            'xtcocotools.cocoeval': ('COCOeval',),
            'xtcocotools.mask': ('decode', 'frPyObjects', 'iou', 'merge'),
        },
    ),
}


class PlaceholderType(type):
    """Type of the stand-in classes: reading the class is free, using it raises."""

    def __call__(cls, *args, **kwargs):
        """Refuse to be called or instantiated; a subclass refuses likewise.

        Raises:
            ImportError: always, naming the command that installs the package.
        """
        raise ImportError(cls.missing_message)

    def __getattr__(cls, name):
        # Dunders are probed by typing, copy and inspect without being used.
        if name.startswith('__') and name.endswith('__'):
            raise AttributeError(name)
        raise ImportError(cls.missing_message)


def make_placeholder(name: str, remedy: str) -> PlaceholderType:
    """A class that can be imported, annotated with and subclassed, but not used.

    Args:
        name: dotted name of what it stands for, ``'mmcv.ops.RoIAlign'``.
        remedy: shell command that installs the real one.
    Returns: the class; calling it, a subclass or an attribute raises ImportError.
    """
    module, _, short = name.rpartition('.')
    message = f'{name} was used but its package is not installed; run: {remedy}'
    members = {'__module__': module, 'missing_message': message}
    return PlaceholderType(short, (), members)


def is_present(package: OptionalPackage) -> bool:
    """Whether the package is imported or can be found, working or not."""
    if package.probe in sys.modules:
        return True
    try:
        return find_spec(package.probe) is not None
    except ImportError:  # a parent package is absent, or does not load itself
        return False


def make_modules(package: OptionalPackage) -> dict[str, ModuleType]:
    """The stand-in modules of one absent package, parents first."""
    modules = {}
    for name, members in package.members.items():
        module = ModuleType(name, f'Stand-in for {name}, which is not installed.')
        module.__path__ = []  # a package: a submodule not listed is "not found"
        for member in members:
            placeholder = make_placeholder(f'{name}.{member}', package.remedy)
            setattr(module, member, placeholder)
        parent, _, short = name.rpartition('.')
        if parent in modules:
            setattr(modules[parent], short, module)
        modules[name] = module
    return modules


@contextmanager
def stand_ins() -> Iterator[tuple[str, ...]]:
    """While open, absent optional packages can be imported as stand-ins.

    Yields: the names of the packages that are absent.
    """
    absent = {k: p for k, p in OPTIONAL_PACKAGES.items() if not is_present(p)}
    added = {}
    for package in absent.values():
        for name, module in make_modules(package).items():
            if name not in sys.modules:
                sys.modules[name] = added[name] = module
    try:
        yield tuple(absent)
    finally:
        for name, module in added.items():
            if sys.modules.get(name) is module:
                del sys.modules[name]
