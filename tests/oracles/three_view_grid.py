"""Three-view features by building the voxel grid, as Figure 2 of DNE draws it."""

import torch


def dense_grid_features(features, vertices, cells):
    """(G, N, C), (G, N, 3) -> (G, N, 3, C); loops, -inf in empty voxels."""
    groups, count, channels = features.shape
    result = features.new_zeros(groups, count, 3, channels)
    for g in range(groups):
        low = vertices[g].amin(0)
        extent = (vertices[g].amax(0) - low).max()
        cell = ((vertices[g] - low) / extent * cells).floor().long()
        cell = cell.clamp(0, cells - 1)
        grid = features.new_full((cells, cells, cells, channels), -torch.inf)
        occupants = {}
        for n in range(count):
            occupants.setdefault(tuple(cell[n].tolist()), []).append(n)
        for (x, y, z), members in occupants.items():
            grid = grid.index_put(
                (torch.tensor([x]), torch.tensor([y]), torch.tensor([z])),
                features[g][members].amax(0)[None],
            )
        front, lateral, top = grid.amax(2), grid.amax(0), grid.amax(1)
        rows = []
        for n in range(count):
            x, y, z = cell[n].tolist()
            rows.append(torch.stack([front[x, y], lateral[y, z], top[x, z]]))
        result[g] = torch.stack(rows)
    return result
