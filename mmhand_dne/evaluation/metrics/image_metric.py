"""What metrics do alike that keep one record per image."""

import sys

from mmengine.evaluator import BaseMetric

from .image_results import refuse_empty


class ImageMetric(BaseMetric):
    """A metric whose ``results`` are one record per evaluated image."""

    def evaluate(self, size: int) -> dict:
        """Metrics of the whole set, on every rank.

        Args:
            size: length of the set; not used, because cutting to it would rely on
                the sampler's order. Repeated images are recognised instead.

        Raises:
            ValueError: no rank processed an image.
        """
        refuse_empty(type(self).__name__, self.results)
        return super().evaluate(sys.maxsize)
