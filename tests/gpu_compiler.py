"""Triton's compiler for a GPU, which needs none."""

import importlib
import sys
from contextlib import contextmanager

import pytest

HOPPER = 'cuda', 90, 32  # compute capability 9.0, threads of a warp


@contextmanager
def compiling(name, cache, reason):
    """A module of kernels, and what compiles one of them: kernel, types and constants
    by argument, options -> intermediate forms by name.

    Args:
        name: of the module; it is imported anew, without Triton's interpreter.
        cache: folder for what is compiled.
        reason: told where Triton is not installed.
    """
    triton = pytest.importorskip('triton', reason=reason)
    compiler = importlib.import_module('triton.compiler')
    target = importlib.import_module('triton.backends.compiler').GPUTarget(*HOPPER)

    def compiled(kernel, types, constants, **options):
        source = compiler.ASTSource(kernel, types, constants)
        return triton.compile(source, target, options).asm

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('TRITON_INTERPRET', '0')
        patch.setenv('TRITON_CACHE_DIR', str(cache))
        patch.delitem(sys.modules, name, raising=False)
        yield importlib.import_module(name), compiled
        patch.delitem(sys.modules, name)
