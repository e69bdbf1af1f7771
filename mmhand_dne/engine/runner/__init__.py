from .checkpoint_files import AtomicLocalBackend
from .resumable_loop import ResumableEpochTrainLoop
from .shared_hand import settle_before_building

settle_before_building()

__all__ = ['AtomicLocalBackend', 'ResumableEpochTrainLoop']
