"""Gate: USDT futures and spot, by raw calls whose answers are read exactly."""
