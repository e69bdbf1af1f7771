"""Which pictures a checkpoint has learned from, kept in its metadata."""

import logging
from collections.abc import Mapping
from pathlib import Path

from mmengine.logging import print_log

from mmhand_dne.rendered_recipe import RECIPE_FILE

TRAINED_ON = 'trained_on'  # in a checkpoint's meta: a list of named sets
UNKNOWN = dict(name='unknown', rendered=False)  # of weights that do not say


def training_sets(dataset: object) -> list[dict]:
    """Name of each data set in a data set, and whether its pictures are rendered.

    Args:
        dataset: a data set, or a mixture or wrapper of some.

    Returns: ``dict(name, rendered)`` each, without repetitions; rendered is a set whose
        folder holds the recipe that ``tools/make_rendered_data.py`` has written.
    """
    inner = getattr(dataset, 'datasets', None)
    if inner is None and hasattr(dataset, 'dataset'):
        inner = [dataset.dataset]
    if inner:
        return joined(*(training_sets(part) for part in inner))
    name = (getattr(dataset, 'metainfo', None) or {}).get('dataset_name')
    root = getattr(dataset, 'data_root', None)
    rendered = bool(root) and (Path(root) / RECIPE_FILE).is_file()
    return [dict(name=str(name or type(dataset).__name__), rendered=rendered)]


def joined(*records: list[dict]) -> list[dict]:
    """The sets of several records, each once, in their order."""
    found = []
    for record in records:
        found += [entry for entry in record if entry not in found]
    return found


def record_of(checkpoint: Mapping) -> list[dict]:
    """The record of a loaded checkpoint; one unknown set where it has none."""
    return (checkpoint.get('meta') or {}).get(TRAINED_ON) or [UNKNOWN]


def caution_about(checkpoint: Mapping, name: str) -> str:
    """One sentence where a checkpoint has seen rendered pictures only, else ''.

    The sentence is logged as a warning too.

    Args:
        checkpoint: as loaded.
        name: of its file.
    """
    if not all(entry.get('rendered') for entry in record_of(checkpoint)):
        return ''
    caution = (
        f'{name} was trained on rendered images only; on photos its meshes, sides, '
        'presence and error bars are guesses; the model that comes with the package '
        '(no CONFIG and CHECKPOINT) has learned photos'
    )
    print_log(caution, 'current', level=logging.WARNING)
    return caution
