"""Live paper: orders fill here, and the prices are those of a real venue."""
