"""The state of every random generator of this process, as plain tensors and numbers.

Plain because a checkpoint has to load under ``weights_only=True``.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def get_random_state() -> dict:
    """State of Python's, NumPy's, torch's and this process's CUDA generator."""
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached_gauss = np.random.get_state()
    return dict(
        python=dict(version=version, words=torch.tensor(words), gauss=gauss),
        numpy=dict(
            kind=kind,
            keys=torch.from_numpy(keys.astype(np.int64)),
            position=int(position),
            has_gauss=int(has_gauss),
            gauss=float(cached_gauss),
        ),
        torch=torch.get_rng_state(),
        cuda=torch.cuda.get_rng_state() if torch.cuda.is_available() else None,
    )


def set_random_state(state: dict) -> None:
    """Put back what :func:`get_random_state` returned.

    A CUDA state is skipped where there is no CUDA device, and the other way round.
    """
    python, keyed = state['python'], state['numpy']
    words = tuple(python['words'].tolist())
    random.setstate((python['version'], words, python['gauss']))
    keys = keyed['keys'].cpu().numpy().astype(np.uint32)
    np.random.set_state(
        (keyed['kind'], keys, keyed['position'], keyed['has_gauss'], keyed['gauss'])
    )
    torch.set_rng_state(state['torch'].cpu())
    if state['cuda'] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state['cuda'].cpu())


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Leave every generator as it was found, whatever the block uses."""
    state = get_random_state()
    try:
        yield
    finally:
        set_random_state(state)
