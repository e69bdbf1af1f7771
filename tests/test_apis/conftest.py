"""Small models of random weights, built once a file."""

import pytest

from tests.tiny_inferencers import DNE, HAMER, SHAPED, tiny_inferencer


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('weights')


@pytest.fixture(scope='module')
def dne(folder):
    return tiny_inferencer(DNE, folder)


@pytest.fixture(scope='module')
def hamer(folder):
    return tiny_inferencer(HAMER, folder)


@pytest.fixture(scope='module')
def tall_dne(folder):
    return tiny_inferencer(DNE, folder, cfg_options=SHAPED[DNE])


@pytest.fixture(scope='module')
def wide_hamer(folder):
    return tiny_inferencer(HAMER, folder, cfg_options=SHAPED[HAMER])
