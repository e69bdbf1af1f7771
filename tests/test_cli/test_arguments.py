"""Flags that several tools have."""

import argparse

import pytest

from mmhand_dne.cli.arguments import share


@pytest.mark.parametrize('text', ['0', '0.5', '1', '1e-3'])
def test_a_share_is_a_number_from_0_to_1(text):
    assert share(text) == float(text)


@pytest.mark.parametrize('text', ['1.1', '-0.1', 'nan', 'half', ''])
def test_what_is_none_is_refused_by_name(text):
    with pytest.raises(argparse.ArgumentTypeError, match='no number from 0 to 1'):
        share(text)
