"""Binance: USDT-M perpetuals and spot, by raw calls whose answers are read exactly."""
