"""tools/test.py on a set whose MANO parameters are of another hand."""

import json

import pytest

from mmhand_dne.models.estimators import HandMeshEstimator
from tests.interhand_fixture import write_interhand
from tests.tiny_inferencers import HAMER, write_checkpoint

LABELS = 'annotations/test/InterHand2.6M_test_MANO_NeuralAnnot.json'


@pytest.fixture
def root(tmp_path):
    return write_interhand(tmp_path / 'set', 6, split='test')


@pytest.fixture
def score(tool, tmp_path, root):
    """Run the tool; its exit status, last error line and metrics, None without any."""
    checkpoint = write_checkpoint(HAMER, tmp_path / 'hamer.pth')

    def run(*more):
        out = tmp_path / 'metrics.json'
        out.unlink(missing_ok=True)
        options = [f'test_dataloader.dataset.dataset.data_root={root}', *more]
        loader = 'num_workers=0 batch_size=2'.split()
        options += [f'test_dataloader.{value}' for value in loader]
        status, _, error = tool(
            'test.py',
            f'configs/hamer/{HAMER}.py',
            checkpoint,
            '--work-dir',
            tmp_path / 'work',
            '--out',
            out,
            '--cfg-options',
            *options,
        )
        return status, error, json.loads(out.read_text()) if out.exists() else None

    return run


def test_foreign_parameters_stop_before_the_first_batch(score, root, monkeypatch):
    """Poses of the real MANO mean another hand: here every one is 0.6 rad further."""
    batches, step = [], HandMeshEstimator.test_step

    def watched(model, data):
        batches.append(len(data['inputs']))
        return step(model, data)

    monkeypatch.setattr(HandMeshEstimator, 'test_step', watched)
    status, _, right = score()
    assert status == 0 and sum(batches) == 8 and right['MPJPE_All'] > 0
    labels = json.loads((root / LABELS).read_text())
    for frame in labels['0'].values():
        for hand in filter(None, frame.values()):
            hand['pose'][3:] = [value + 0.6 for value in hand['pose'][3:]]
    (root / LABELS).write_text(json.dumps(labels))
    batches.clear()
    status, error, metrics = score()
    assert status == 2 and not batches and metrics is None
    assert error.startswith('error: ') and 'labels are not of the hand' in error
    assert 'hand_model.source=FOLDER' in error
    switch = 'test_dataloader.dataset.dataset.allow_other_hand=True'
    status, _, wrong = score(switch)
    assert status == 0 and sum(batches) == 8  # the mistake that is refused above
    assert wrong['MPJPE_All'] != pytest.approx(right['MPJPE_All'], rel=0.01)
