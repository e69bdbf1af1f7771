"""One sample per hand, from a data set of two-hand images."""

from collections.abc import Mapping

import numpy as np
from mmengine.dataset import BaseDataset
from mmpose.registry import DATASETS

from mmhand_dne.errors import UserError
from mmhand_dne.randomness.pipeline import SampleKey, seeded_by

EVERY_JOINT = 21


def shown_joints(
    joints_valid: np.ndarray, joint_in_image: np.ndarray, mano_valid: np.ndarray
) -> np.ndarray:
    """How many joints with ground truth each hand shows, (2,) int.

    A hand with a mesh but without any annotated joint counts as shown whole: where
    its joints are is known from the mesh.

    Args:
        joints_valid, joint_in_image: (2, 21) annotated, and inside the image.
        mano_valid: (2,).
    """
    annotated = np.asarray(joints_valid, bool)
    counts = (annotated & np.asarray(joint_in_image, bool)).sum(-1)
    from_mesh = (np.asarray(mano_valid) > 0) & ~annotated.any(-1)
    return np.where(from_mesh, EVERY_JOINT, counts)


@DATASETS.register_module()
class SingleHandDataset:
    """Each hand of the wrapped data set's images as a sample of its own.

    For models of one hand per image, such as HaMeR. The wrapped set keeps the pipeline,
    which isolates the hand named in ``hand_slot`` with :class:`SelectHand`. The order
    is the images' order, the right hand of an image before its left one.

    Args:
        dataset: one of our data sets or its config. Where it has no method
            ``count_all_joints()`` or ``count_joints(index)``, every entry is read once
            at the start.
        min_joints: leave out hands that show fewer joints with ground truth (HaMeR
            trains on hands with more than four).

    Example:
        >>> hands = SingleHandDataset(dict(type='InterHandMeshDataset', ...))
        >>> hands[0]['data_samples'].hand_side
        'right'
    """

    def __init__(
        self,
        dataset: Mapping | BaseDataset,
        min_joints: int = 5,
        lazy_init: bool = False,
    ) -> None:
        if min_joints < 1:
            raise UserError(
                f'SingleHandDataset: min_joints is {min_joints}, expected >= 1; a hand '
                'without ground truth is no sample'
            )
        self.min_joints = min_joints
        is_config = isinstance(dataset, Mapping)
        self.dataset = DATASETS.build(dataset) if is_config else dataset
        self._fully_initialized = False
        if not lazy_init:
            self.full_init()

    @property
    def metainfo(self) -> dict:
        """Of the wrapped set."""
        return self.dataset.metainfo

    def full_init(self) -> None:
        """Read the wrapped set's annotations and list its hands."""
        if self._fully_initialized:
            return
        self.dataset.full_init()
        if hasattr(self.dataset, 'count_all_joints'):
            counts = self.dataset.count_all_joints()
        else:
            counts = np.array(
                [self._count(index) for index in range(len(self.dataset))]
            )
        self.hands = np.argwhere(counts.reshape(-1, 2) >= self.min_joints)  # (N, 2)
        self._fully_initialized = True

    def _count(self, index: int) -> np.ndarray:
        if hasattr(self.dataset, 'count_joints'):
            return self.dataset.count_joints(index)
        info = self.dataset.get_data_info(index)
        return shown_joints(
            info['joints_valid'], info['joint_in_image'], info['mano_valid']
        )

    def __len__(self) -> int:
        self.full_init()
        return len(self.hands)

    def get_data_info(self, idx: int) -> dict:
        """The image's entry; ``hand_slot`` is 0 for its right, 1 for its left hand."""
        self.full_init()
        image, slot = self.hands[int(idx)]
        info = self.dataset.get_data_info(int(image))
        info.update(hand_slot=int(slot), sample_idx=int(idx))
        return info

    def __getitem__(self, idx: int) -> dict:
        """The packed sample; a key seeds the pipeline if the index carries one."""
        info = self.get_data_info(idx)
        if isinstance(idx, SampleKey):
            with seeded_by(idx):
                return self.dataset.pipeline(info)
        return self.dataset.pipeline(info)
