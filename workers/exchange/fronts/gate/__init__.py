"""Gate: contracts that settle in USDT, and coins, under one host and one alphabet.

Stricter than the venue in one thing: a market buy of coins, which counts quote there, is refused.
An order that ended an hour ago is no longer found by its text.
"""

from workers.exchange.fronts.gate.dialect import Gate

__all__ = ["Gate"]
