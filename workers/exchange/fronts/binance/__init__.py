"""Binance: USDT-M futures (`/fapi`) and spot (`/api`), each with its own error codes."""

from workers.exchange.fronts.binance.dialect import Binance

__all__ = ["Binance"]
