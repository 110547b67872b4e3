"""OKX: USDT-margined swaps (cross margin, net positions) and spot, by one set of raw calls."""
