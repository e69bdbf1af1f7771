"""Panels of a data sample: input, maps, meshes, ground truth."""
