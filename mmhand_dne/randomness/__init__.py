"""Random numbers that depend on keys alone, and the state of those that do not."""
