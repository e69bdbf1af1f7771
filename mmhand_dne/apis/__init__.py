"""Hands from images: inference, files, video.

``hand_mesh_inferencer`` leads each image from ``inputs`` (what a user gives) through
``crops``, ``batching``, ``read_predictions`` and ``merge_crops`` to a typed result.
``result_writers`` write it, ``result_drawing`` and ``image_saver`` draw it, and
``temporal`` joins and smooths the frames of a video. ``demo_run`` with its
``run_record``, ``result_store`` and ``video_outputs`` is what tools/demo.py does.

Threads: inferencers may be built in any thread (they take turns) and each may be used
in its own; one that several threads call gives each the same as alone. ``sys.stdout``
and the environment are left alone, and what is given (configs, arrays) is not changed.
How many threads torch computes with is the program's choice:
:func:`.free_threads.free_threads` says how many cores are free.
Processes: an inferencer is built in the process that uses it; of a pool, start the
processes with 'spawn' or build before any other use of torch. Configs can be pickled.
"""

from .hand_mesh_inferencer import HandMeshInferencer

__all__ = ['HandMeshInferencer']
