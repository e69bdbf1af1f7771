"""Checking downloads of data sets and writing their indexes."""
