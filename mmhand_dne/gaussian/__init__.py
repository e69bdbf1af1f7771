"""Gaussians over joints: densities, mixing, the one users hold, calibration."""
