"""Which parameters learn: awake, by a gradient, and by a step without weight decay."""

import torch


def wake(model, std=0.02, names=('.last.', 'parameter_maps')):
    """Random weights where the last layers start at zero and hide what is behind."""
    for name, parameter in model.named_parameters():
        if any(part in name for part in names):
            torch.nn.init.normal_(parameter, std=std)


def dead_rows(model):
    """Mask of the rows named dead by design, by parameter: True where dead."""
    masks = {}
    for prefix, part in model.named_modules():
        if hasattr(part, 'dead_parameters'):
            for name, rows in part.dead_parameters().items():
                name = f'{prefix}.{name}'.lstrip('.')
                masks[name] = torch.zeros_like(model.get_parameter(name), dtype=bool)
                masks[name][rows] = True
    return masks


def check_everything_learns(model, loss):
    """Each parameter outside the dead list has a gradient and moves in one step; the
    dead rows' gradient is zero and they stay.
    """
    dead = dead_rows(model)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0)
    loss.backward()
    optimiser.step()
    for name, parameter in model.named_parameters():
        none = torch.zeros_like(parameter, dtype=bool)
        mask = dead.get(name, none)
        moved = parameter.detach() != before[name]
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert not parameter.grad[mask].any() and not moved[mask].any(), name
        if not mask.all():
            assert parameter.grad[~mask].any() and moved[~mask].any(), name
