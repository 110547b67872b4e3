"""Benchmarks: what the project costs, as ratios inside one run wherever there is a rival."""
