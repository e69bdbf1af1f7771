"""xtcocotools' two classes as MMPose uses them, on pycocotools.

Symptom: MMPose 1.3.2 imports xtcocotools, whose wheels end at Python 3.11 and are
compiled for NumPy 1, and whose source does not build from Python 3.13 on. pycocotools
is maintained, and lacks xtcocotools' key point ``sigmas`` and ``use_area``, its
CrowdPose evaluation and its whole-body evaluation.
Versions: mmpose 1.3.2, xtcocotools 1.14.3, pycocotools 2.0.8 to 2.0.11. Can go when
MMPose takes pycocotools.

The numbers are xtcocotools' (key points only; boxes and masks are pycocotools'). The
two last evaluations are refused.
"""

from collections import defaultdict

import numpy as np
import pycocotools.coco
import pycocotools.cocoeval

from mmhand_dne.errors import UserError

# What a person's box holds of the person, where annotations have no area: CrowdPose's
# and AI Challenger's convention.
BOX_SHARE = 0.53
REMEDY = (
    "use Python 3.10 or 3.11: pip install 'numpy<2' 'opencv-python<4.12' xtcocotools"
)


class COCO(pycocotools.coco.COCO):
    """Annotations in COCO's format: ``iscrowd`` may be absent, results may be none.

    Args:
        annotation_file: path of a JSON file in COCO's format; None makes an empty one.
    """

    def createIndex(self) -> None:
        """Index the annotations; one without ``iscrowd`` is not a crowd."""
        for annotation in self.dataset.get('annotations', ()):
            annotation.setdefault('iscrowd', 0)
        super().createIndex()

    def loadRes(self, resFile) -> pycocotools.coco.COCO:
        """Predictions on these images; an empty list is one without predictions.

        Args:
            resFile: path of a JSON list in COCO's results format, or the list.
        Returns: their index.
        """
        try:
            return super().loadRes(resFile)
        except IndexError:  # what pycocotools raises over the first of none
            empty = COCO()
            empty.dataset = {**self.dataset, 'annotations': []}
            empty.createIndex()
            return empty


class COCOeval(pycocotools.cocoeval.COCOeval):
    """Average precision and recall of key points, with any joints and areas.

    Args:
        cocoGt, cocoDt: annotations and predictions, both indexed.
        iouType: ``'keypoints'``, ``'bbox'`` or ``'segm'``.
        sigmas: (K,) spread of each key point's annotation, in units of the root of
            the person's area; None takes COCO's 17.
        use_area: False where annotations have no ``area``: 0.53 of their box is taken.

    Raises:
        UserError: the type is CrowdPose's or one of whole bodies.
    """

    def __init__(
        self,
        cocoGt=None,
        cocoDt=None,
        iouType: str = 'keypoints',
        sigmas: np.ndarray | None = None,
        use_area: bool = True,
    ):
        if iouType not in ('keypoints', 'bbox', 'segm'):
            raise UserError(
                f'the evaluation {iouType!r} (of CrowdPose or whole bodies) needs '
                f'xtcocotools, and here pycocotools stands in for it; {REMEDY}'
            )
        super().__init__(cocoGt, cocoDt, iouType)
        self.use_area = use_area
        if sigmas is not None:
            self.params.kpt_oks_sigmas = np.asarray(sigmas)

    def _prepare(self) -> None:
        """Copies of the annotations as pycocotools reads them, in ``_gts, _dts``."""
        if self.params.iouType != 'keypoints':
            super()._prepare()
            return
        self._gts, self._dts = defaultdict(list), defaultdict(list)
        self.evalImgs, self.eval = defaultdict(list), {}
        for group, index, read in (
            (self._gts, self.cocoGt, self._ground_truth),
            (self._dts, self.cocoDt, self._prediction),
        ):
            chosen = self._chosen(index)
            # pycocotools takes the number 0 for "no match".
            first = min((a['id'] for a in chosen), default=1)
            for annotation in chosen:
                copy = read(annotation)
                if copy is not None:
                    copy['id'] += max(0, 1 - first)
                    group[copy['image_id'], copy['category_id']].append(copy)

    def _chosen(self, index: pycocotools.coco.COCO) -> list[dict]:
        """The annotations of the evaluated images and categories."""
        categories = self.params.catIds if self.params.useCats else []
        found = index.getAnnIds(imgIds=self.params.imgIds, catIds=categories)
        return index.loadAnns(found)

    def _ground_truth(self, annotation: dict) -> dict:
        """With what is ignored, and an area: of key points in view, not as counted."""
        visible = np.count_nonzero(np.asarray(annotation['keypoints'])[2::3] > 0)
        copy = dict(annotation)
        copy['ignore'] = bool(annotation.get('iscrowd')) or visible == 0
        if not self.use_area:
            copy['area'] = BOX_SHARE * annotation['bbox'][2] * annotation['bbox'][3]
        elif 'area' not in annotation:
            raise UserError(
                f'annotation {annotation["id"]} of image {annotation["image_id"]} has '
                "no 'area'; evaluate with use_area=False, which takes its box"
            )
        return copy

    def _prediction(self, annotation: dict) -> dict | None:
        """None where no key point has a score, which is no prediction."""
        scores = np.asarray(annotation['keypoints'])[2::3]
        return dict(annotation) if np.count_nonzero(scores > 0) else None
