"""Hands from images: inference, files, video.

``hand_mesh_inferencer`` leads each image from ``inputs`` (what a user gives) through
``crops``, ``batching``, ``read_predictions`` and ``merge_crops`` to a typed result.
``result_writers`` write it, ``result_drawing`` and ``image_saver`` draw it, and
``temporal`` joins and smooths the frames of a video. ``demo_run`` with its
``run_record`` is what tools/demo.py does.
"""

from .hand_mesh_inferencer import HandMeshInferencer

__all__ = ['HandMeshInferencer']
