"""Names of configs: today's, earlier ones, and slips."""

import re

import pytest

from mmhand_dne.apis.config_names import find_config


@pytest.mark.parametrize(
    'name',
    [
        'dne_rendered',
        'dne_rendered.py',
        'mmhand_dne::dne_rendered',
        'mmhand_dne::dne_rendered.py',
    ],
)
def test_a_config_goes_by_its_name(name):
    assert find_config(name).endswith('configs/dne_rendered.py')


@pytest.mark.parametrize(
    ('name', 'now'),
    [
        ('dne_freehand', 'dne_rendered'),
        ('configs/dne_freehand.py', 'dne_rendered'),
        ('mmhand_dne::dne_correlated_freehand', 'dne_correlated_rendered'),
        (
            'hamer/hamer-full_small_freehand-128x128.py',
            'hamer-full_small_rendered-128x128',
        ),
    ],
)
def test_an_earlier_name_is_answered_with_the_new_one(name, now):
    with pytest.raises(FileNotFoundError) as caught:
        find_config(name)
    assert (
        str(caught.value) == f'there is no config file {name}; it is now called {now}'
    )
    assert find_config(now)


@pytest.mark.parametrize(
    ('name', 'hint'),
    [
        ('dne_renderd', 'did you mean dne_rendered?'),
        ('nowhere/dne_rendered', 'did you mean dne_rendered?'),
        ('xyz.py', 'check the path'),
    ],
)
def test_a_slip_is_answered_with_the_nearest_name(name, hint):
    with pytest.raises(FileNotFoundError, match=re.escape(hint)):
        find_config(name)
