"""The auxiliary maps of a result as labelled pictures."""

from mmhand_dne.visualization.canvas.drawing import grid
from mmhand_dne.visualization.canvas.lettering import caption
from mmhand_dne.visualization.panel.mesh_panel import map_pictures

COLUMNS = 3


def draw_maps(job):
    """The crop's maps, each a square of a third of the picture's width; None if absent.

    The result's ``maps`` are name -> (C, h, w), named as ``map_pictures`` knows them.
    """
    if not job.result.maps:
        return None
    side = (job.size - (COLUMNS - 1) * 4) // COLUMNS
    maps = map_pictures(job.result.maps, (side, side))
    rows = [maps[i : i + COLUMNS] for i in range(0, len(maps), COLUMNS)]
    return grid([_row(row, job.letters) for row in rows])


def _row(maps: list, height: int) -> list:
    """Pictures of one row; it has a second line of titles where one needs it."""
    lines = [_lines(title) for title, _ in maps]
    count = 2 if any(rest for _, rest in lines) else 1
    return [
        caption(picture, *line[:count], height=height)
        for line, (_, picture) in zip(lines, maps)
    ]


def _lines(title: str) -> tuple[str, str]:
    """A title's name and its explanation."""
    name, _, rest = title.partition(',')
    return name, rest.strip()
