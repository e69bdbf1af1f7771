"""Rendered hands: scenes, pictures and files in the layout of InterHand2.6M."""

from .recipe import Recipe
from .scene import HandModels
from .writer import (
    Frame,
    annotation_file,
    merge_annotations,
    plan_frames,
    write_bytes,
    write_frame,
    write_legends,
)

__all__ = [
    'Frame',
    'HandModels',
    'Recipe',
    'annotation_file',
    'merge_annotations',
    'plan_frames',
    'write_bytes',
    'write_frame',
    'write_legends',
]
