"""The closed-form camera of refined vertices and refined points (DNE Eq. 6-7)."""

import torch
from torch import Tensor

from .precision import at_least_fp32

MIN_VARIANCE = 1e-12  # metres^2 summed over vertices; below it no scale is observable


def ridge_camera(
    vertices: Tensor, points_ndc: Tensor, incoming: Tensor, ridge: float
) -> Tensor:
    """Fit scale and shift per image axis by ridge regression, in closed form.

    Minimises ``sum_n |u_n - s v_n - t|^2 + ridge (s^2 + t^2)`` per axis. Eq. 7 does
    not conform as printed and the sign before t in Eq. 6 is a typo, so the design is
    [v_axis, 1] per image axis [decided]. Solved with centred sums, which keeps the
    digits that the normal equations would lose: with a, b the means, C the centred
    sums and k = N ridge / (N + ridge),
    ``s = (C_vu + k a b) / (C_vv + ridge + k a^2)``, ``t = (N b - N a s)/(N + ridge)``.

    Args:
        vertices: (..., N, 3) metres, camera axes, root-relative.
        points_ndc: (..., N, 2) their image points, crop NDC.
        incoming: (..., 2, 2) camera before the fit; its scale is kept where
            ``ridge`` is 0 and the vertices have no extent along an axis.
        ridge: xi >= 0, in metres^2 for the scale.
    Returns: (..., 2, 2) rows (scale, shift); at least float32.
    """
    v = at_least_fp32(vertices[..., :2])
    u = at_least_fp32(points_ndc).to(v.dtype)
    incoming = incoming.to(v.dtype)
    count = v.shape[-2]
    a, b = v.mean(-2), u.mean(-2)
    dv, du = v - a[..., None, :], u - b[..., None, :]
    c_vu, c_vv = (dv * du).sum(-2), (dv * dv).sum(-2)
    k = count * ridge / (count + ridge)
    denominator = c_vv + ridge + k * a * a
    observable = denominator > MIN_VARIANCE
    # The unobservable branch is kept out of the division: 0/0 has a NaN gradient
    # even where ``where`` discards the value.
    safe = torch.where(observable, denominator, torch.ones_like(denominator))
    scale = torch.where(observable, (c_vu + k * a * b) / safe, incoming[..., 0])
    shift = (count * b - count * a * scale) / (count + ridge)
    return torch.stack([scale, shift], dim=-1)
