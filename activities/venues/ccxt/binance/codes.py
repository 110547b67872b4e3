"""Binance's error table."""

from collections.abc import Mapping
from typing import Final

from activities.venues.ccxt.meanings import Meaning

CODES: Final[Mapping[str, Meaning]] = {
    "-1000": Meaning.UNKNOWN,
    "-1001": Meaning.UNKNOWN,
    "-1006": Meaning.UNKNOWN,
    "-1007": Meaning.UNKNOWN,
    # "Overloaded": seen on an order that HAD been placed.
    "-1008": Meaning.UNAVAILABLE,
    "-1016": Meaning.UNAVAILABLE,
    "-1003": Meaning.RATE_LIMITED,
    "-1015": Meaning.RATE_LIMITED,
    "-1002": Meaning.AUTHENTICATION,
    "-1022": Meaning.AUTHENTICATION,
    "-2014": Meaning.AUTHENTICATION,
    "-2015": Meaning.AUTHENTICATION,
    "-1021": Meaning.CLOCK,
    "-1013": Meaning.INVALID,
    "-1100": Meaning.INVALID,
    "-1102": Meaning.INVALID,
    "-1104": Meaning.INVALID,
    "-1106": Meaning.INVALID,
    "-1111": Meaning.INVALID,
    "-1116": Meaning.INVALID,
    "-4003": Meaning.INVALID,
    "-4014": Meaning.INVALID,
    "-4015": Meaning.INVALID,
    "-4023": Meaning.INVALID,
    "-4164": Meaning.INVALID,
    "-1121": Meaning.UNKNOWN_SYMBOL,
    "-2010": Meaning.REFUSED,
    "-2011": Meaning.NOT_FOUND,
    "-2013": Meaning.NOT_FOUND,
    "-2018": Meaning.INSUFFICIENT_FUNDS,
    "-2019": Meaning.INSUFFICIENT_FUNDS,
    "-2022": Meaning.REDUCE_ONLY,
    "-4116": Meaning.DUPLICATE,
    "-5022": Meaning.WOULD_CROSS,
    "-4046": Meaning.UNCHANGED,
    "-4059": Meaning.UNCHANGED,
}

#: Spot has one code for all that a matching engine refuses.
PHRASES: Final = (
    ("-2010", "Duplicate order", Meaning.DUPLICATE),
    ("-2010", "immediately match", Meaning.WOULD_CROSS),
    ("-2010", "insufficient balance", Meaning.INSUFFICIENT_FUNDS),
)
