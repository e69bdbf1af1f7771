from .checkpoint_files import AtomicLocalBackend
from .resumable_loop import ResumableEpochTrainLoop
from .sharded_model import ShardedModel
from .shared_hand import settle_before_building

settle_before_building()

__all__ = ['AtomicLocalBackend', 'ResumableEpochTrainLoop', 'ShardedModel']
