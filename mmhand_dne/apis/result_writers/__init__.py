"""Files of a result, in six formats.

All lengths are metres, all angles radians; ``joint_std`` is in millimetres. JSON, NPZ
and pkl-smplx keep camera axes (x right, y down, z forward). OBJ, PLY and GLB hold the
scene as viewers want it: x right, y up, z backward (the camera looks along -z), that is
(x, -y, -z), with each hand where its ``translation`` puts it.
"""

from collections.abc import Sequence
from pathlib import Path

from mmhand_dne.errors import UserError
from mmhand_dne.fileio.atomic import write_whole
from mmhand_dne.structures.hand_result import ImageResult

from .array_writers import npz_files, smplx_files
from .glb_writer import glb_files
from .json_writer import json_files, read_json
from .mesh_writers import obj_files, ply_files

__all__ = ['FORMATS', 'check_formats', 'read_json', 'result_files', 'write']

# Each gives the endings and contents of the files about one result.
FORMATS = {
    'json': json_files,
    'npz': npz_files,
    'obj': obj_files,
    'ply': ply_files,
    'glb': glb_files,
    'pkl-smplx': smplx_files,
}


def check_formats(formats: str | Sequence[str]) -> tuple[str, ...]:
    """The formats, each once; a text is one of them.

    Raises:
        ValueError: one is unknown.
    """
    formats = (formats,) if isinstance(formats, str) else formats
    unknown = [name for name in formats if name not in FORMATS]
    if unknown:
        raise UserError(
            f'unknown format {unknown[0]!r}; choose from {", ".join(FORMATS)}'
        )
    return tuple(dict.fromkeys(formats))


def write(
    result: ImageResult,
    folder: str | Path,
    formats: str | Sequence[str] = ('json',),
    name: str = '',
) -> list[Path]:
    """Write a result in some formats; a file appears whole or not at all.

    An image without hands has a JSON and an NPZ file, and no mesh.

    Args:
        folder: created if needed.
        name: of the files before their ending; by default the result's own, or the
            source's where it has none.

    Returns: paths of the files.

    Raises:
        ValueError: a format is unknown.
        OSError: the folder cannot be written.
    """
    name = name or result.name or Path(result.source).stem
    files = result_files(result, formats, name)
    return [
        write_whole(Path(folder) / file, content) for file, content in files.items()
    ]


def result_files(
    result: ImageResult, formats: Sequence[str], name: str
) -> dict[str, bytes]:
    """The files that :func:`write` would write, by name."""
    return {
        f'{name}{ending}': content
        for kind in check_formats(formats)
        for ending, content in FORMATS[kind](result)
    }
