"""Pictures of inference results."""
