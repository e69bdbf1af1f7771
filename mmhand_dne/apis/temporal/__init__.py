"""Time series of hands: state-space filters and what they are applied to."""
