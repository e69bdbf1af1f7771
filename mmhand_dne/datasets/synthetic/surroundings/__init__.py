"""Painted surroundings of hands."""

from .scenery import make_scenery

__all__ = ['make_scenery']
