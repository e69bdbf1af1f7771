"""Hands fitted to landmarks by least squares."""

from .landmark_fit import LandmarkFit
from .landmark_refit import LandmarkRefit

__all__ = ['LandmarkFit', 'LandmarkRefit']
