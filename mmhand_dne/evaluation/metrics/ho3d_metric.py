"""HO3DMetric: the scores of HO-3D's official evaluation, versions 2 and 3."""

from mmpose.registry import METRICS

from .official_metric import OfficialScoreMetric


@METRICS.register_module()
class HO3DMetric(OfficialScoreMetric):
    """HO-3D's official scores: ``ho3d/xyz_procrustes_al_mean3d`` and so on, in cm.

    Beside the raw and the aligned ones ``xyz_scale_trans_al_*``: the true length from
    the wrist to the middle knuckle, on the true wrist. Why a metric of its own: see
    :class:`FreiHANDMetric`.

    HO-3D's evaluation gives the wrist of every image; predictions are put on it, as is
    usual. That wrist is exactly right here, so that it counts at the threshold 0 of
    ``xyz_auc3d``; in an exported submission float32 leaves 1e-8 m, and this one score
    may be lower by 0.5/99/21. Arguments: see :class:`OfficialScoreMetric`.
    """

    default_prefix = 'ho3d'
    protocol, tips, aligned = 'ho3d', 'ho3d', 'xyz_procrustes_al_mean3d'
    counts = dict(v2=11524, v3=20137)

    def __init__(self, root: str = 'given', **kwargs):
        super().__init__(root, **kwargs)
