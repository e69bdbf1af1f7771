"""What upstream trouble costs us, in one place. ``install()`` runs first of all."""

import importlib
import sys
import warnings

from .coco_names import coco_names
from .config_scope import register_config_scope
from .late_dynamo import late_dynamo
from .optional_modules import OPTIONAL_PACKAGES, is_present, stand_ins
from .versions import check_versions

# Every part of MMPose that imports an optional package, or registers something.
MMPOSE_PARTS = (
    'codecs',
    'models',
    'datasets',
    'evaluation',
    'engine',
    'visualization',
    'apis',
)

__all__ = ['install', 'late_dynamo', 'stand_ins']


def install() -> None:
    """Make MMPose importable here, loading safe, and our configs resolvable.

    Raises:
        ImportError: MMPose or a package that it needs is absent or broken; the
            message holds the command that repairs it.
    """
    check_versions()
    from .extension_lookup import install_extension_lookup
    from .package_lookup import install_package_lookup
    from .safe_load import install_safe_loading
    from .scalar_radius import install_scalar_radius

    install_package_lookup()
    install_extension_lookup()
    with coco_names(), stand_ins() as absent, warnings.catch_warnings():
        # mmcv.cnn says on import that mmcv-lite lacks ops; using one says it better.
        warnings.filterwarnings('ignore', message='Fail to import ``MultiScale')
        check_optional_packages_load(absent)
        for part in MMPOSE_PARTS:
            importlib.import_module(f'mmpose.{part}')
    install_safe_loading()
    install_scalar_radius()
    register_config_scope()


def check_optional_packages_load(absent: tuple) -> None:
    """Name an optional package that is installed but cannot be imported.

    Symptom: PyPI's torchvision beside a CPU build of torch stops with "operator
    torchvision::nms does not exist" from somewhere inside MMPose.

    Raises:
        ImportError: naming the package and the command that removes it.
    """
    for name, package in OPTIONAL_PACKAGES.items():
        if name in absent or package.probe in sys.modules or not is_present(package):
            continue
        try:
            importlib.import_module(package.probe)
        except (ImportError, RuntimeError, OSError, AttributeError) as error:
            pip_name = 'mmcv' if name == 'mmcv.ops' else name
            raise ImportError(
                f'{pip_name} is installed but does not load ({error}); match it to '
                f'your torch, or remove it: pip uninstall -y {pip_name}'
            ) from error
