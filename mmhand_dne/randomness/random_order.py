"""A random order of a set that is known entry by entry, without a list of it."""

from mmhand_dne.errors import UserError

ROUNDS = 6
WORD = (1 << 64) - 1


def shuffled(position: int, size: int, *key: int) -> int:
    """The entry at a position of a random order of 0 ... size - 1.

    Each key gives another order. A balanced Feistel network permutes the next larger
    power of four; what falls outside of the set is permuted again until it is inside.

    Args:
        position: 0 ... size - 1.
        size: of the set, at least 1.
        key: of the order, any integers.
    """
    if not 0 <= position < size:
        raise UserError(
            f'position {position} is outside of a set of {size}, expected 0 to '
            f'{size - 1}'
        )
    half = max(1, ((size - 1).bit_length() + 1) // 2)
    mask, seed = (1 << half) - 1, 0
    for word in key:
        seed = _scrambled(seed ^ (int(word) & WORD))
    while True:
        left, right = position >> half, position & mask
        for number in range(ROUNDS):
            word = _scrambled(seed ^ (number << 58) ^ right)
            left, right = right, left ^ (word & mask)
        position = left << half | right
        if position < size:
            return position


def _scrambled(word: int) -> int:
    """A 64-bit hash of a 64-bit word (SplitMix64's output function)."""
    word = (word + 0x9E3779B97F4A7C15) & WORD
    word = ((word ^ word >> 30) * 0xBF58476D1CE4E5B9) & WORD
    word = ((word ^ word >> 27) * 0x94D049BB133111EB) & WORD
    return word ^ word >> 31
