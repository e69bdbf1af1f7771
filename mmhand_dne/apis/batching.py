"""Pictures on their way through the model, in batches that cross pictures."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from .crops import Crop
from .inputs.sources import Frame


@dataclass
class Job:
    """One picture: its crops, and the predictions that have arrived.

    Attributes:
        notes: what is wrong with boxes of the picture, or with itself.
        detected: whether the boxes are a detector's, which may overlap.
        metric: whether the camera is the picture's own.
    """

    frame: Frame
    crops: list[Crop] = field(default_factory=list)
    samples: list = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    detected: bool = False
    metric: bool = False

    @property
    def done(self) -> bool:
        """Whether every crop has its prediction."""
        return len(self.samples) == len(self.crops)


def in_batches(
    jobs: Iterable[Job], size: int, forward: Callable[[list[dict]], list]
) -> Iterator[Job]:
    """Run the crops of pictures in batches; pictures come back in their order.

    Args:
        jobs: pictures with crops.
        size: crops a batch.
        forward: from the ``data`` of some crops to their predicted samples.
    """
    waiting: deque[Job] = deque()
    pending: deque[tuple[Job, Crop]] = deque()

    def run() -> None:
        batch = [pending.popleft() for _ in range(min(size, len(pending)))]
        for (job, _), sample in zip(batch, forward([crop.data for _, crop in batch])):
            job.samples.append(sample)

    for job in jobs:
        waiting.append(job)
        pending.extend((job, crop) for crop in job.crops)
        while len(pending) >= size:
            run()
        while waiting and waiting[0].done:
            yield waiting.popleft()
    while pending:
        run()
    yield from waiting
