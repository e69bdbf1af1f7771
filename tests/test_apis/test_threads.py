"""Several inferencers in one program, and in several: what they share and do not."""

import pickle
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from mmhand_dne.apis import HandMeshInferencer
from mmhand_dne.apis.config_names import config_of
from mmhand_dne.hand_model import MANOLayer
from tests.tiny_inferencers import DNE, noise_image, write_checkpoint

WHOLE = 'whole_image'
IMAGE = noise_image()


@pytest.fixture(scope='module')
def checkpoint(tmp_path_factory):
    return write_checkpoint(DNE, tmp_path_factory.mktemp('weights') / f'{DNE}.pth')


def vertices_of(inferencer):
    return next(inferencer.results(IMAGE, side='right')).hands[0].vertices


def vertices_in_process(checkpoint):
    import mmhand_dne  # noqa: F401  a spawned process begins with nothing

    return vertices_of(HandMeshInferencer(DNE, checkpoint, 'cpu', det_model=WHOLE))


@pytest.fixture(scope='module')
def wanted(checkpoint):
    return vertices_of(HandMeshInferencer(DNE, checkpoint, 'cpu', det_model=WHOLE))


def test_threads_build_and_use_one_inferencer_each(checkpoint, wanted):
    with ThreadPoolExecutor(4) as pool:
        built = pool.map(
            lambda _: HandMeshInferencer(DNE, checkpoint, 'cpu', det_model=WHOLE),
            range(4),
        )
        found = list(pool.map(vertices_of, built))
    assert all(np.array_equal(vertices, wanted) for vertices in found)


def test_one_inferencer_serves_two_threads(checkpoint, wanted):
    shared = HandMeshInferencer(DNE, checkpoint, 'cpu', det_model=WHOLE)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(vertices_of, [shared] * 4))
    assert all(np.array_equal(vertices, wanted) for vertices in found)


def test_a_process_pool_finds_the_same(checkpoint, wanted):
    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:
        found = pool.submit(vertices_in_process, checkpoint).result(timeout=500)
    assert np.allclose(found, wanted, atol=1e-7)


def test_hands_built_in_threads_leave_stdout_alone():
    own, interval = sys.stdout, sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            outputs = list(pool.map(stdout_after_building, range(40)))
    finally:
        sys.setswitchinterval(interval)
    assert sys.stdout is own
    assert all(output is own for output in outputs)


def stdout_after_building(_):
    MANOLayer()
    return sys.stdout


def test_a_config_stays_as_the_caller_made_it(checkpoint, wanted):
    own = config_of(DNE)
    before = own.pretty_text
    HandMeshInferencer(
        own, checkpoint, 'cpu', det_model=WHOLE, flip_test=True, output_maps=True
    )
    assert own.pretty_text == before
    again = HandMeshInferencer(own, checkpoint, 'cpu', det_model=WHOLE)
    assert np.array_equal(vertices_of(again), wanted)


def test_a_plain_mapping_stays_as_the_caller_made_it(checkpoint):
    own = config_of(DNE).to_dict()
    before = pickle.dumps(own)
    HandMeshInferencer(
        own, checkpoint, 'cpu', det_model=WHOLE, flip_test=True, output_maps=True
    )
    assert pickle.dumps(own) == before


def test_a_pickled_config_is_the_same_config(checkpoint, wanted):
    own = pickle.loads(pickle.dumps(config_of(DNE)))
    assert np.array_equal(
        vertices_of(HandMeshInferencer(own, checkpoint, 'cpu', det_model=WHOLE)), wanted
    )
