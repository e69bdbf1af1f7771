"""Rendered hands: scenes, images and files in the layout of InterHand2.6M."""

from mmhand_dne.rendered_recipe import Recipe

from .dataset_writer import (
    RenderedFrame,
    annotation_file,
    merge_annotations,
    plan_frames,
    write_frame,
    write_legends,
)
from .hand_models import HandModels

__all__ = [
    'RenderedFrame',
    'HandModels',
    'Recipe',
    'annotation_file',
    'merge_annotations',
    'plan_frames',
    'write_frame',
    'write_legends',
]
