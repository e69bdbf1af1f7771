"""One hand for the whole run: the config's top-level ``hand_model``."""

from collections.abc import Iterator, Mapping
from functools import wraps
from typing import Any

from mmengine.config import Config
from mmengine.runner import Runner
from torch import nn

from mmhand_dne.errors import UserError

from .config_variables import check_variables
from .distributed import unwrapped

PHASES = ('train', 'val', 'test')
DEFAULT = 'cc0'  # the hand of a part whose config says nothing of it


def share_hand_model(cfg: Config) -> None:
    """Give the config's top-level ``hand_model`` to model, data sets and metrics.

    One line changes the hand of a whole run: a model must not learn on the ground truth
    of another hand than its own.

    Raises: UserError if a part asks for a hand of its own.
    """
    hand_model = cfg.get('hand_model')
    if hand_model is None:
        return
    for path, part in _parts(cfg):
        _check_part(path, part.hand_model, hand_model)
        part.hand_model = hand_model


def merge_options(cfg: Config, options: Mapping[str, Any]) -> None:
    """Override keys of a config; the hand, if it is among them, in all parts.

    Raises: UserError if an option gives a part another hand than the run's.
    """
    share_hand_model(cfg)
    cfg.merge_from_dict(dict(options))
    hand_model = cfg.get('hand_model')
    if hand_model is None:
        return
    for path, part in _parts(cfg):
        for key in options:
            if not key.startswith(f'{path}.hand_model'):
                continue
            for name, value in part.hand_model.items():
                if hand_model.get(name, value) != value or name not in hand_model:
                    _refuse(path, name, value, hand_model.get(name))
        part.hand_model = hand_model


def hand_of_model(model: nn.Module) -> nn.Module | None:
    """The hand of a model, perhaps wrapped, or of its head; None if it has none."""
    model = unwrapped(model)
    head = getattr(model, 'head', None)
    return getattr(model, 'hand_model', getattr(head, 'hand_model', None))


def settle_before_building() -> None:
    """Let every way to a Runner, MMPose's tools and scripts too, share the hand.

    A config that was read by ``Config.fromfile`` is settled by ``Runner.from_cfg``: its
    parts get the hand, and what a run would not read is refused.
    """
    build = Runner.from_cfg.__func__
    if hasattr(build, '__wrapped__'):
        return

    @wraps(build)
    def from_cfg(cls: type, cfg: Config) -> Runner:
        if isinstance(cfg, Config) and (cfg.get('hand_model') or cfg.get('dne')):
            share_hand_model(cfg)
            if cfg.filename:
                check_variables(cfg, cfg.filename)
        return build(cls, cfg)

    Runner.from_cfg = classmethod(from_cfg)


def _parts(cfg: Config) -> Iterator[tuple[str, Any]]:
    """Path and config of every part that has a hand."""
    model = cfg.get('model') or {}
    if 'hand_model' in model:
        yield 'model', model
    # MMPose's own estimators know of no hand; one of our heads does.
    if 'hand_model' in (model.get('head') or {}):
        yield 'model.head', model.head
    for phase in PHASES:
        loader = cfg.get(f'{phase}_dataloader')
        if loader:
            yield from _datasets(f'{phase}_dataloader.dataset', loader.dataset)
        yield from _metrics(f'{phase}_evaluator', cfg.get(f'{phase}_evaluator'))


def _metrics(path: str, evaluator: Any) -> Iterator[tuple[str, Any]]:
    """Metrics, and protocols inside them, that regress joints from meshes."""
    metrics = evaluator if isinstance(evaluator, (list, tuple)) else [evaluator]
    for metric in filter(None, metrics):
        inner = (*metric.get('protocols', ()), *metric.get('metrics', ()))
        for part in (metric, *inner):
            if 'hand_model' in part:
                yield path, part


def _datasets(path: str, dataset: Any) -> Iterator[tuple[str, Any]]:
    """Also inside wrappers (``dataset``) and mixtures (``datasets``)."""
    if 'hand_model' in dataset:
        yield path, dataset
    for index, part in enumerate(dataset.get('datasets', ())):
        yield from _datasets(f'{path}.datasets.{index}', part)
    if dataset.get('dataset') is not None:
        yield from _datasets(f'{path}.dataset', dataset.dataset)


def _check_part(path: str, part: Mapping, hand_model: Mapping) -> None:
    """Files: a source that is nobody's default, or another kind of hand of a model."""
    source = part.get('source', DEFAULT)
    if source not in (DEFAULT, hand_model.get('source', DEFAULT)):
        _refuse(path, 'source', source, hand_model.get('source', DEFAULT))
    if path in ('model', 'model.head') and part.get('type') != hand_model.get('type'):
        _refuse(path, 'type', part.get('type'), hand_model.get('type'))


def _refuse(path: str, name: str, value: Any, wanted: Any) -> None:
    raise UserError(
        f'{path}.hand_model.{name} is {value!r} and hand_model.{name} is {wanted!r}, '
        f'but a run has one hand; set hand_model.{name} at the top of the config'
    )
