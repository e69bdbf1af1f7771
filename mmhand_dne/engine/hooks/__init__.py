from .atomic_checkpoint_hook import AtomicCheckpointHook
from .checkpoint_match_hook import CheckpointMatchHook
from .finite_loss_hook import FiniteLossHook
from .hand_visualization_hook import HandVisualizationHook
from .random_state_hook import RandomStateHook
from .rest_hook import RestHook
from .speed_hook import SpeedHook
from .sync_norm_buffers_hook import SyncNormBuffersHook
from .two_phase_hook import TwoPhaseHook

__all__ = [
    'AtomicCheckpointHook',
    'CheckpointMatchHook',
    'FiniteLossHook',
    'TwoPhaseHook',
    'HandVisualizationHook',
    'RandomStateHook',
    'RestHook',
    'SpeedHook',
    'SyncNormBuffersHook',
]
