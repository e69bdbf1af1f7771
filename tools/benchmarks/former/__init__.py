"""What the benchmarks measure the present code against."""
