from .checkpoint_files import AtomicLocalBackend
from .resumable_loop import ResumableEpochTrainLoop

__all__ = ['AtomicLocalBackend', 'ResumableEpochTrainLoop']
