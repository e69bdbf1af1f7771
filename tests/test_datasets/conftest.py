"""Written sets that the tests of this folder read, one a session."""

import pytest
from mmengine.registry import DefaultScope

import mmhand_dne  # noqa: F401  registers our modules
from mmhand_dne.datasets.datasets import InterHandMeshDataset
from tests.interhand_fixture import dataset_config, write_interhand

AUGMENTED = [
    dict(type='LoadHandImage'),
    dict(type='RandomMeshFlip', prob=0.5),
    dict(type='MeshCrop', input_size=256, shift=10, rotation=90, scale=(0.9, 1.1)),
    dict(type='PackHandInputs'),
]


@pytest.fixture(scope='session')
def regular_root(tmp_path_factory):
    """Six ordinary frames: right, left, interacting, twice."""
    return write_interhand(tmp_path_factory.mktemp('regular'), num_frames=6)


@pytest.fixture(scope='session')
def odd_root(tmp_path_factory):
    """21 frames, frames 2, 5, ... 20 each with another oddity; no images."""
    folder = tmp_path_factory.mktemp('odd')
    return write_interhand(folder, num_frames=21, image=False, odd_cases=True)


def build_dataset(root, pipeline=(), **changes):
    """A data set of a written set; ``changes`` are arguments of the class."""
    with DefaultScope.overwrite_default_scope('mmpose'):
        return InterHandMeshDataset(
            **dataset_config(root, pipeline=list(pipeline), **changes)
        )


@pytest.fixture
def build():
    """:func:`build_dataset`."""
    return build_dataset


@pytest.fixture(scope='session')
def _regular_dataset(regular_root):
    return build_dataset(regular_root)


@pytest.fixture
def infos(_regular_dataset):
    """Fresh entries of the ordinary set, before any transform."""
    return [_regular_dataset.get_data_info(i) for i in range(6)]


@pytest.fixture
def augmented():
    """The paper's pipeline."""
    return AUGMENTED
