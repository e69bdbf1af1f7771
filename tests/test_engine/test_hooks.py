from types import SimpleNamespace

import pytest
import torch
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop, Runner
from toy_parts import toy_config, train_toy

from mmhand_dne.engine.hooks.atomic_checkpoint_hook import AtomicCheckpointHook
from mmhand_dne.engine.hooks.two_phase_hook import TwoPhaseHook


def checkpoints(folder):
    return sorted(path.name for path in folder.glob('*.pth'))


def test_only_the_newest_checkpoints_stay(tmp_path):
    train_toy(
        tmp_path,
        default_hooks__checkpoint__max_keep_ckpts=2,
        default_hooks__checkpoint__iter_interval=4,
        default_hooks__checkpoint__max_keep_iter_ckpts=2,
    )
    best, *others = checkpoints(tmp_path)
    assert best.startswith('best_MPVPE_All_epoch_')
    assert others == ['epoch_2.pth', 'epoch_3.pth', 'iter_12.pth', 'iter_16.pth']
    assert (tmp_path / 'last_checkpoint').read_text() == str(tmp_path / 'epoch_3.pth')


def test_an_old_checkpoint_goes_only_after_the_new_one_is_written(
    tmp_path, monkeypatch
):
    train_toy(tmp_path, train_cfg__max_epochs=1)
    before = checkpoints(tmp_path)

    def disk_full(runner, *args, **kwargs):
        raise OSError('no space left')

    monkeypatch.setattr(Runner, 'save_checkpoint', disk_full)
    with pytest.raises(OSError, match='no space'):
        train_toy(tmp_path, resume=True, default_hooks__checkpoint__max_keep_ckpts=1)
    assert checkpoints(tmp_path) == before


def test_the_previous_best_goes_only_after_the_new_one_is_written(
    tmp_path, monkeypatch
):
    train_toy(tmp_path, train_cfg__max_epochs=1)
    assert 'best_MPVPE_All_epoch_1.pth' in checkpoints(tmp_path)
    save = Runner.save_checkpoint

    def disk_full(runner, out_dir, filename, *args, **kwargs):
        if filename == 'best_MPVPE_All_epoch_2.pth':
            raise OSError('no space left')
        save(runner, out_dir, filename, *args, **kwargs)

    monkeypatch.setattr(Runner, 'save_checkpoint', disk_full)
    options = dict(train_cfg__max_epochs=2, resume=True)
    with pytest.raises(OSError, match='no space'):
        train_toy(tmp_path, **options)
    assert 'best_MPVPE_All_epoch_1.pth' in checkpoints(tmp_path)
    monkeypatch.undo()
    train_toy(tmp_path, **options)  # resumes with the validation that is due
    best = [name for name in checkpoints(tmp_path) if name.startswith('best')]
    assert best == ['best_MPVPE_All_epoch_2.pth']


def test_the_best_of_another_folder_stays(tmp_path):
    train_toy(tmp_path / 'a', train_cfg__max_epochs=1)
    saved = str(tmp_path / 'a/epoch_1.pth')
    train_toy(tmp_path / 'b', resume=True, load_from=saved)
    assert 'best_MPVPE_All_epoch_1.pth' in checkpoints(tmp_path / 'a')
    best = [name for name in checkpoints(tmp_path / 'b') if name.startswith('best')]
    assert best == ['best_MPVPE_All_epoch_3.pth']


@pytest.mark.parametrize(
    'options',
    [
        dict(train_dataloader__dataset__length=0, train_dataloader__sampler__shuffle=0),
        dict(train_dataloader__batch_size=99, train_dataloader__drop_last=True),
    ],
)
def test_a_training_without_a_batch_is_refused(tmp_path, options):
    with pytest.raises(ValueError, match='train_dataloader has no batch: its data set'):
        train_toy(tmp_path, **options)
    assert not checkpoints(tmp_path)


@pytest.mark.parametrize('key', ['lr', 'weight_decay'])
def test_resuming_with_other_settings_of_the_optimiser_is_refused(tmp_path, key):
    train_toy(tmp_path, train_cfg__max_epochs=1)
    change = {f'optim_wrapper__optimizer__{key}': 0.25}
    with pytest.raises(
        ValueError, match=f'with {key} .* says 0.25, and resuming keeps'
    ):
        train_toy(tmp_path, resume=True, **change)
    train_toy(tmp_path, resume=True)


def test_a_checkpoint_inside_an_accumulation_waits_for_the_step(tmp_path):
    train_toy(
        tmp_path,
        train_cfg__max_epochs=1,
        optim_wrapper__accumulative_counts=3,
        default_hooks__checkpoint__iter_interval=2,
        default_hooks__checkpoint__max_keep_iter_ckpts=9,
    )
    names = [name for name in checkpoints(tmp_path) if name.startswith('iter')]
    assert names == ['iter_3.pth', 'iter_6.pth']


def test_checkpoints_by_iteration_fall_on_steps_or_are_refused(tmp_path):
    with pytest.raises(ValueError, match='interval=4 falls between steps of'):
        train_toy(
            tmp_path,
            optim_wrapper__accumulative_counts=3,
            default_hooks__checkpoint__by_epoch=False,
            default_hooks__checkpoint__interval=4,
        )


def loop_of(kind, **limits):
    loop = kind.__new__(kind)
    vars(loop).update({f'_{name}': value for name, value in limits.items()})
    return loop


def phases(loop, begin=4, **options):
    model = torch.nn.ModuleDict(dict(trunk=torch.nn.Linear(1, 1)))
    model.add_module('refine_head', torch.nn.Linear(1, 1))
    hook = TwoPhaseHook(['trunk'], begin, **options)
    runner = SimpleNamespace(model=model, train_loop=loop, epoch=0, iter=4)
    hook.before_train(runner)
    hook.before_train_iter(runner, 0)
    return model.refines_in_training


def test_a_second_phase_that_never_begins_is_refused():
    by_epochs = loop_of(EpochBasedTrainLoop, max_epochs=4)
    with pytest.raises(ValueError, match='begin=4 is never reached in 4 epochs'):
        phases(by_epochs)
    assert phases(by_epochs, begin=3) is False
    by_iterations = loop_of(IterBasedTrainLoop, max_iters=8)
    with pytest.raises(
        ValueError, match='counts epochs, which IterBasedTrainLoop does'
    ):
        phases(by_iterations)
    with pytest.raises(ValueError, match='begin=8 is never reached in 8 iterations'):
        phases(by_iterations, begin=8, by_epoch=False)
    assert phases(by_iterations, by_epoch=False) is True


def test_a_model_that_is_not_finite_is_not_written(tmp_path):
    runner = Runner.from_cfg(toy_config(tmp_path, train_cfg__max_epochs=1))
    runner.train()
    before = (tmp_path / 'epoch_1.pth').read_bytes()
    with torch.no_grad():
        runner.model.out.bias[0] = float('inf')
    (hook,) = (hook for hook in runner.hooks if isinstance(hook, AtomicCheckpointHook))
    with pytest.raises(ValueError, match='out.bias is not finite; the last checkpoint'):
        hook.after_train_epoch(runner)
    assert (tmp_path / 'epoch_1.pth').read_bytes() == before


def test_a_best_metric_that_is_not_computed_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"'PCK', which .* choose from \['MPVPE_All'"):
        train_toy(
            tmp_path,
            default_hooks__checkpoint__save_best='PCK',
            train_cfg__max_epochs=1,
        )


def test_a_checkpoint_of_another_model_is_refused(tmp_path):
    train_toy(tmp_path / 'a', model__norm=True, train_cfg__max_epochs=1)
    saved = str(tmp_path / 'a/epoch_1.pth')
    wider = Runner.from_cfg(toy_config(tmp_path / 'b', model__width=9, load_from=saved))
    with pytest.raises(ValueError) as caught:
        wider.test()
    message = str(caught.value)
    assert '5 of the file are not in the model (first norm.weight)' in message
    assert (
        '3 differ in shape (first hidden.weight: (8, 4) in the file, (9, 4) in the '
        'model)'
    ) in message
    assert 'not in the file' not in message


def test_parts_that_may_be_missing_are_named_in_the_config(tmp_path):
    train_toy(tmp_path / 'a', train_cfg__max_epochs=1)
    saved = str(tmp_path / 'a/epoch_1.pth')
    options = dict(model__norm=True, load_from=saved, train_cfg__max_epochs=1)
    with pytest.raises(ValueError, match=r'5 of its 9 tensors .*\(first norm.weight\)'):
        train_toy(tmp_path / 'b', **options)
    train_toy(
        tmp_path / 'c',
        **options,
        default_hooks__checkpoint_match__allow_missing=['norm.'],
    )


def hidden_of(folder, name):
    return torch.load(folder / name, weights_only=True)['state_dict']['hidden.weight']


@pytest.mark.parametrize('resumed', [False, True])
def test_a_part_rests_until_its_epoch(tmp_path, resumed):
    rest = dict(custom_hooks=[dict(type='RestHook', modules=['hidden'], end=2)])
    keep = dict(default_hooks__checkpoint__max_keep_ckpts=3)
    if resumed:
        train_toy(tmp_path, train_cfg__max_epochs=1, **rest, **keep)
    runner = train_toy(
        tmp_path, train_cfg__max_epochs=3, resume=resumed, **rest, **keep
    )
    first, second, third = (hidden_of(tmp_path, f'epoch_{k}.pth') for k in (1, 2, 3))
    assert torch.equal(first, second) and not torch.equal(second, third)
    assert all(p.requires_grad for p in runner.model.parameters())


def test_a_part_that_is_not_there_cannot_rest(tmp_path):
    rest = dict(custom_hooks=[dict(type='RestHook', modules=['trunk'], end=2)])
    with pytest.raises(ValueError, match="no part 'trunk'; choose from .*hidden"):
        train_toy(tmp_path, **rest)
