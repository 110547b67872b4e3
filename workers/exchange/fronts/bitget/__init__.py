"""Bitget: USDT-M futures (`/api/v2/mix`, one-way mode) and spot (`/api/v2/spot`).

A market buy on spot has a cost and no amount there; it is refused here, for want of such orders in
the simulated exchange.
"""

from workers.exchange.fronts.bitget.dialect import Bitget

__all__ = ["Bitget"]
