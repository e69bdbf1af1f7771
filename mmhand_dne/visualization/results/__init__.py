"""Pictures of inference results: overlay, side view, uncertainty, refinement, maps."""
