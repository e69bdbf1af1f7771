# Copyright (c) mmhand_dne contributors. Licensed under Apache-2.0.
"""The version, apart so that setup.py reads it without importing torch."""

__version__ = '0.1.0'
