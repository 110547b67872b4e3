"""Bitget: USDT-M perpetuals in one-way mode and spot, by raw calls of its API v2."""
