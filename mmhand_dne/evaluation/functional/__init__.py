from .pose_errors import (
    ERROR_NAMES,
    HandMeshGroundTruth,
    HandMeshPrediction,
    MeshHands,
    camera_floor,
    hand_mesh_errors,
    mesh_hands,
    point_errors,
    presence_correct,
    relative_root_error,
)

__all__ = [
    'ERROR_NAMES',
    'HandMeshGroundTruth',
    'HandMeshPrediction',
    'MeshHands',
    'camera_floor',
    'hand_mesh_errors',
    'mesh_hands',
    'point_errors',
    'presence_correct',
    'relative_root_error',
]
