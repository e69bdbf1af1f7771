"""Systems of linear equations whose matrix is symmetric and positive definite."""

import torch
from torch import Tensor, nn


class PositiveSolve(nn.Module):
    """x of A x = b, by Cholesky's factors; a part, so that an export can replace it.

    Example:
        >>> PositiveSolve()(2 * torch.eye(3)[None], torch.ones(1, 3))
        tensor([[0.5000, 0.5000, 0.5000]])
    """

    def forward(self, matrix: Tensor, right: Tensor) -> Tensor:
        """(B, n, n) symmetric positive definite and (B, n) -> (B, n).

        What is not finite gives what is not finite, and no error.
        """
        lower, _ = torch.linalg.cholesky_ex(matrix)
        return torch.cholesky_solve(right[..., None], lower)[..., 0]
