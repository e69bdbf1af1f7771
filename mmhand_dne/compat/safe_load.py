# Copyright (c) mmhand_dne contributors. Licensed under Apache-2.0.
"""Checkpoints load as data, never as code."""


def install_safe_loading() -> None:
    """Placeholder until the next commit."""
