"""The pure floor: what a strategy knows and decides. No I/O, clock, randomness or logs."""
