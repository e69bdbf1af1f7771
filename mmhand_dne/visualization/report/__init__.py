"""The report page of inference results."""
