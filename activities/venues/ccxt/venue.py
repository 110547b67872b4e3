"""A real venue: the ports `Venue` and `FullVenue` over ccxt and one venue's quirks."""

from activities.venues.ccxt.port.account import Account
from activities.venues.ccxt.port.orders import Orders
from activities.venues.ccxt.port.streams import Streams


class CcxtVenue(Orders, Account, Streams):
    """One account at one venue, for one kind of market. A context manager, or connect and close."""
