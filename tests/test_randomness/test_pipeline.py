"""The order of a set: a permutation per key, uniform, and the same in any process."""

import numpy as np
import pytest

from mmhand_dne.randomness.pipeline import shuffled


@pytest.mark.parametrize('size', [1, 2, 3, 4, 5, 16, 17, 100, 1000])
def test_every_entry_has_one_position(size):
    orders = [
        [shuffled(position, size, *key) for position in range(size)]
        for key in ((0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0))
    ]
    for order in orders:
        assert sorted(order) == list(range(size))
    if size >= 16:
        assert len(set(map(tuple, orders))) == 4


def test_the_order_is_random():
    """Neighbours are as far apart as at random, and each position is as likely."""
    size = 500
    order = np.array([shuffled(position, size, 7) for position in range(size)])
    assert abs(np.abs(np.diff(order)).mean() - size / 3) < 0.1 * size
    firsts = [shuffled(0, 4, seed) for seed in range(4000)]
    assert np.abs(np.bincount(firsts, minlength=4) - 1000).max() < 130  # 4.7 sigma
    with pytest.raises(ValueError, match='position 4 is outside of a set of 4'):
        shuffled(4, 4)


def test_the_order_depends_on_the_key_alone():
    """Neither on numpy's global generator nor on what was asked before."""
    wanted = np.random.default_rng([3, 1, 2]).permutation(50)
    np.random.seed(0)
    backwards = [shuffled(position, 50, 3, 1, 2) for position in range(49, -1, -1)]
    np.testing.assert_array_equal(backwards[::-1], wanted)
    for seed in range(40):  # more orders than are kept
        shuffled(0, 50, seed)
    assert shuffled(7, 50, 3, 1, 2) == wanted[7]
