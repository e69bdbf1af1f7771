from .pose_errors import (
    ERROR_NAMES,
    HandMeshGroundTruth,
    HandMeshPrediction,
    aligned_mean_distance,
    hand_mesh_errors,
    mean_distance,
    presence_correct,
    relative_root_error,
)

__all__ = [
    'ERROR_NAMES',
    'HandMeshPrediction',
    'HandMeshGroundTruth',
    'aligned_mean_distance',
    'hand_mesh_errors',
    'mean_distance',
    'presence_correct',
    'relative_root_error',
]
