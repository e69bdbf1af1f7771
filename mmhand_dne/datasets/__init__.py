"""Data sets, transforms and samplers."""

from . import datasets, samplers, transforms

__all__ = ['datasets', 'samplers', 'transforms']
