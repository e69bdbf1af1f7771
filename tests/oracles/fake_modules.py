"""Modules that exist for a while, so that objects of theirs can be pickled."""

import contextlib
import sys


@contextlib.contextmanager
def installed(modules):
    """``sys.modules`` has these, by name, and afterwards what it had before."""
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
