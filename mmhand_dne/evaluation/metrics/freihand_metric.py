"""FreiHANDMetric: the scores of FreiHAND's official evaluation."""

from mmpose.registry import METRICS

from .official_metric import OfficialScoreMetric


@METRICS.register_module()
class FreiHANDMetric(OfficialScoreMetric):
    """FreiHAND's official scores: ``freihand/xyz_al_mean3d`` and so on, in cm.

    A metric of its own rather than a part of :class:`HandMeshMetric`: another ground
    truth (the released joints, absolute), another alignment and other units, as MMPose
    has one metric a benchmark [decided]. Put it beside HandMeshMetric in the evaluator.

    FreiHAND's test set gives no wrist, so the raw scores are of the predicted place.
    Arguments: see :class:`OfficialScoreMetric`.
    """

    default_prefix = 'freihand'
    protocol, tips, aligned = 'freihand', 'freihand', 'xyz_al_mean3d'
    counts = dict(v2=3960)

    def __init__(self, root: str = 'predicted', **kwargs):
        super().__init__(root, **kwargs)
