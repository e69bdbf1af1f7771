"""What modules hand to each other, and the table of ground-truth fields."""
