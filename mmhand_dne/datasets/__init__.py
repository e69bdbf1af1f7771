"""Data sets, transforms, samplers and how batches are made."""

from . import collate, datasets, samplers, transforms

__all__ = ['collate', 'datasets', 'samplers', 'transforms']
