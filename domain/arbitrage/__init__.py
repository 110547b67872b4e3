"""Funding and spread arbitrage: two legs that are held together, what they earn and what they cost.

Pure: no clock, no network, no randomness. Money is Decimal, prices are ticks, quantities lots.
"""
