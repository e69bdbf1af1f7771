"""Images on their way through the model, in batches that cross images."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from mmpose.structures import PoseDataSample

from .crops import Crop
from .inputs.sources import InputFrame


@dataclass
class ImageJob:
    """One image: its crops, and the predictions that have arrived.

    Attributes:
        notes: what is wrong with boxes of the image, or with itself.
        detected: whether the boxes are a detector's, which may overlap.
        metric: whether the camera is the image's own.
    """

    frame: InputFrame
    crops: list[Crop] = field(default_factory=list)
    samples: list[PoseDataSample] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    detected: bool = False
    metric: bool = False

    @property
    def done(self) -> bool:
        """Whether every crop has its prediction."""
        return len(self.samples) == len(self.crops)


def in_batches(
    jobs: Iterable[ImageJob],
    size: int,
    forward: Callable[[list[dict]], list[PoseDataSample]],
) -> Iterator[ImageJob]:
    """Run the crops of images in batches; images come back in their order.

    Args:
        jobs: images with crops.
        size: crops per batch.
        forward: from the ``data`` of some crops to their predicted samples.
    """
    waiting: deque[ImageJob] = deque()
    pending: deque[tuple[ImageJob, Crop]] = deque()

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
