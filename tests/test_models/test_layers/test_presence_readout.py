"""Presence from a map: which sides it shows, by how its parts lie."""

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from mmhand_dne.models.layers.positions import with_positions
from mmhand_dne.models.layers.presence_readout import PresenceReadout

NORM = dict(type='GN', num_groups=4)


def two_parts(count, seed):
    """Maps of a wide part and a thin one beside it, anywhere; right where the thin one
    is to the left, none where there is no thin one.
    """
    generator = torch.Generator().manual_seed(seed)
    maps = torch.zeros(count, 3, 16, 16)
    row, column, kind = (
        torch.randint(low, high, (count,), generator=generator)
        for low, high in ((2, 14), (5, 11), (0, 3))
    )
    every = torch.arange(count)
    maps[every, 0, row, column] = 4
    aside = column + torch.tensor([-3, 3, 0])[kind]
    shown = kind < 2
    maps[every[shown], 1, row[shown], aside[shown]] = 4
    return maps, torch.stack([kind == 0, kind == 1], 1).float()


def test_it_learns_which_side_a_part_lies_on():
    torch.manual_seed(0)
    readout = PresenceReadout(3, 16, NORM)
    optimizer = torch.optim.Adam(readout.parameters(), lr=5e-3)
    maps, sides = two_parts(512, 0)
    for _ in range(100):
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(readout(maps), sides).backward()
        optimizer.step()
    maps, sides = two_parts(256, 1)
    right = ((readout(maps) > 0) == (sides > 0)).all(1).float().mean()
    assert right > 0.9  # guessing the side: two thirds


def test_logits_are_linear_in_the_quarters_of_its_maps():
    torch.manual_seed(0)
    readout = PresenceReadout(3, 8, NORM).eval()
    features = torch.randn(2, 3, 32, 48)
    maps = readout.convs(with_positions(features))
    assert maps.shape == (2, 8, 4, 6)
    quarters = [
        maps[:, :, rows, columns].mean((2, 3))
        for rows in (slice(0, 2), slice(2, 4))
        for columns in (slice(0, 3), slice(3, 6))
    ]
    expected = readout.logits(torch.stack(quarters, 2).flatten(1))
    torch.testing.assert_close(readout(features), expected)
