"""Running a training: loop, hooks, checkpoints, processes, the tools' flags."""

from . import hooks, optim, runner

__all__ = ['hooks', 'optim', 'runner']
