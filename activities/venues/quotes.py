"""Best prices out of what a venue told of its book."""

from datetime import datetime

from domain.errors import VenueUnavailableError
from domain.market import Quote
from domain.money import Price


def quote_of(symbol: str, bid: Price | None, ask: Price | None, at: datetime) -> Quote:
    """Return both best prices; VenueUnavailableError where nobody bids, or nobody asks."""
    if bid is None or ask is None:
        sides = (("bids", bid), ("asks", ask))
        empty = " and no ".join(side for side, price in sides if price is None)
        raise VenueUnavailableError(f"{symbol} has no {empty} at the moment: there is no quote")
    return Quote(bid, ask, at)
