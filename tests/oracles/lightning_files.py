"""Checkpoints as Lightning writes them, without Lightning or omegaconf."""

import contextlib
import types
import typing
from collections import defaultdict

import torch

from .fake_modules import installed


@contextlib.contextmanager
def omegaconf_installed():
    """As much of omegaconf as pickling a config needs, for a while."""
    names = {}
    classes = {
        'omegaconf.dictconfig': 'DictConfig',
        'omegaconf.listconfig': 'ListConfig',
        'omegaconf.nodes': 'AnyNode',
        'omegaconf.base': 'ContainerMetadata Metadata',
    }
    for module, words in {'omegaconf': '', **classes}.items():
        names[module] = types.ModuleType(module)
        for word in words.split():
            kind = type(word, (), dict(__module__=module))
            setattr(names[module], word, kind)
    with installed(names):
        yield names


def config(modules):
    """A DictConfig with a list and a value, its metadata holding types."""

    def build(module, name, **state):
        found = getattr(modules[module], name)()
        found.__dict__.update(state)
        return found

    meta = build(
        'omegaconf.base',
        'ContainerMetadata',
        ref_type=typing.Any,
        object_type=dict,
        element_type=list,
        key_type=int,
        flags=defaultdict(dict, a={}),
        resolver_cache=defaultdict(dict),
    )
    node = build(
        'omegaconf.nodes',
        'AnyNode',
        _val=3,
        _metadata=build('omegaconf.base', 'Metadata', key='x'),
    )
    rows = build('omegaconf.listconfig', 'ListConfig', _content=[node], _metadata=meta)
    return build(
        'omegaconf.dictconfig',
        'DictConfig',
        _content=dict(rows=rows),
        _metadata=meta,
        _parent=None,
    )


@contextlib.contextmanager
def yacs_installed():
    """As much of yacs as pickling a config needs: a dictionary with attributes."""
    names = {name: types.ModuleType(name) for name in ('yacs', 'yacs.config')}
    config = names['yacs.config']
    config.CfgNode = type('CfgNode', (dict,), dict(__module__='yacs.config'))
    with installed(names):
        yield config.CfgNode


def write_lightning_of_yacs(path, state, options=None):
    """The same with HaMeR's own settings, a tree of yacs; ``options`` goes into it."""
    with yacs_installed() as node:
        tree = node(MODEL=node(IMAGE_SIZE=256, IMAGE_MEAN=[0.485, 0.456, 0.406]))
        for part in (tree, tree['MODEL']):
            vars(part).update(__immutable__=True, __deprecated_keys__=set())
        if options is not None:
            tree['OPTIONS'] = options
        write_lightning(path, state, hyper_parameters={'cfg': tree})


def write_lightning(path, state, **more):
    """Save a state dict among everything that a Lightning trainer stores."""
    with omegaconf_installed() as modules:
        content = {
            'epoch': 44,
            'global_step': 550000,
            'pytorch-lightning_version': '2.4.0',
            'state_dict': state,
            'loops': {},
            'callbacks': {'ModelCheckpoint': {}},
            'optimizer_states': [{'state': {0: {'step': torch.tensor(3.0)}}}],
            'lr_schedulers': [],
            'hparams_name': 'kwargs',
            'hyper_parameters': {'cfg': config(modules)},
            **more,
        }
        torch.save(content, path)
