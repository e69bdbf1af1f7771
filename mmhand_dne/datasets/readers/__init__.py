"""From files of the data sets to columns of numbers."""
