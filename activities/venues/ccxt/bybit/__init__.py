"""Bybit v5: linear USDT perpetuals and spot of a unified account, told apart by `category`."""
