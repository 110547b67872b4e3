"""Bybit, v5: linear perpetuals and spot of a unified account, told apart by category."""

from workers.exchange.fronts.bybit.dialect import Bybit

__all__ = ["Bybit"]
