"""Draws that depend on keys alone, and the state of generators that do not."""
