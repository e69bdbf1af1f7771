import random

import numpy as np
import torch

from mmhand_dne.randomness.state import (
    get_random_state,
    preserved_random_state,
    set_random_state,
)


def draw():
    gauss = (random.gauss(0, 1), np.random.normal(), torch.randn(()).item())
    return random.random(), np.random.rand(), torch.rand(()).item(), gauss


def test_generators_continue_from_a_saved_state():
    random.gauss(0, 1), np.random.normal()  # leaves a cached half of a pair
    state = get_random_state()
    expected = [draw() for _ in range(3)]
    set_random_state(state)
    assert [draw() for _ in range(3)] == expected


def test_a_saved_state_loads_as_plain_data(tmp_path):
    state = get_random_state()
    expected = draw()
    torch.save(state, tmp_path / 'state.pth')
    set_random_state(torch.load(tmp_path / 'state.pth', weights_only=True))
    assert draw() == expected


def test_a_block_leaves_the_generators_alone():
    state = get_random_state()
    expected = draw()
    set_random_state(state)
    with preserved_random_state():
        draw()
    assert draw() == expected
