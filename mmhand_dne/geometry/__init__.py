"""Differentiable geometry on tensors: no registry, no data samples, no state."""
