"""The auxiliary maps of a result as labelled pictures."""

import numpy as np

from .drawing import grid
from .mesh_panel import map_tiles

COLUMNS = 3


def draw_maps(job):
    """The crops' maps, each a square of a third of the picture's width; None if absent.

    The result's `maps` are name -> (C, h, w), named as `map_tiles` knows them.
    """
    if not job.result.maps:
        return None
    side = (job.size - (COLUMNS - 1) * 4) // COLUMNS
    tiles = map_tiles(_arrays(job.result.maps), (side, side))
    return grid([tiles[i : i + COLUMNS] for i in range(0, len(tiles), COLUMNS)])


def _arrays(maps: dict) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in maps.items()}
