"""Several evaluation sets in one run, each scored by its own metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement
from mmpose.evaluation.evaluators import MultiDatasetEvaluator
from mmpose.registry import EVALUATORS

from mmhand_dne.errors import UserError


@EVALUATORS.register_module()
class HandSetsEvaluator(MultiDatasetEvaluator):
    """MMPose's evaluator of several sets, which are told apart by their names.

    MMPose's takes the name of a set from its class, so that two sets of one class are
    one to it, and keeps one metric a set. Here a set is called what its ``metainfo``
    says (``metainfo=dict(dataset_name='rendered')`` in its config), else by its class:
    'interhand26m', 'freihand', 'ho3d'. Every sample carries the name of its set. A
    metric without a prefix gets the set's name as its prefix: 'ho3d/MPVPE_All'.

    Args:
        metrics: configs, several of a set if wanted.
        datasets: for each metric the name of its set; None: it sees every sample.

    Raises:
        UserError: lengths differ; in the run, a sample is of a set without metrics, or
            a set's name is not packed.

    Example:
        >>> val_evaluator = dict(
        ...     type='HandSetsEvaluator',
        ...     datasets=['interhand26m', 'ho3d', 'ho3d'],
        ...     metrics=[
        ...         dict(type='HandMeshMetric'),
        ...         dict(type='HandMeshMetric'),
        ...         dict(type='HO3DMetric'),
        ...     ],
        ... )
    """

    def __init__(
        self, metrics: Sequence[Mapping], datasets: Sequence[str | None]
    ) -> None:
        # Not MMPose's own: it reads the names of classes, and one metric of each.
        Evaluator.__init__(self, list(metrics))
        self.names = list(datasets)
        if len(self.names) != len(self.metrics) or not all(
            isinstance(name, str | None) for name in self.names
        ):
            raise UserError(
                f'HandSetsEvaluator: {len(self.metrics)} metrics of the sets '
                f'{self.names}; name for each metric the set that it scores, as in '
                "datasets=['interhand26m', 'ho3d']"
            )
        for name, metric in zip(self.names, self.metrics):
            metric.prefix = metric.prefix or name

    @property
    def dataset_meta(self) -> dict | None:
        """Metainfo of the evaluated data set, which the metrics see too."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict) -> None:
        self._dataset_meta = dataset_meta
        for metric in self.metrics:
            metric.dataset_meta = dataset_meta

    def process(
        self, data_samples: Sequence[BaseDataElement], data_batch: Any = None
    ) -> None:
        """Hand each sample to the metrics of its set.

        Args:
            data_samples: predictions with their ground truth.
            data_batch: not used: metrics of hands read the samples alone.
        """
        sets: dict[str | None, list[dict]] = {name: [] for name in self.names}
        sets[None] = [
            sample.to_dict() if isinstance(sample, BaseDataElement) else sample
            for sample in data_samples
        ]
        for sample in sets[None]:
            name = sample.get('dataset_name')
            if name is None or name not in sets:
                known = sorted(set(self.names) - {None})
                raise UserError(
                    f'HandSetsEvaluator: {sample.get("img_path")} is of the set '
                    f'{name!r}, which has no metric among {known}; name the set in '
                    "datasets, or set metainfo=dict(dataset_name=...) in the set's "
                    'config'
                )
            sets[name].append(sample)
        for name, metric in zip(self.names, self.metrics):
            if sets[name]:
                metric.process(None, sets[name])
