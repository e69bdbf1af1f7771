"""Panels of a data sample: input, meshes, auxiliary maps, ground truth."""
