"""The crash lab: grids on the local exchange, killed at every step, and the books asked after."""
