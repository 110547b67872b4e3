"""One account's connection to a venue: session, client, clock, limits, markets."""

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from types import TracebackType
from typing import Any, Final, Self

from activities.store.ledger import Ledger
from activities.venues.ccxt.credentials import Credentials
from activities.venues.ccxt.executions import Executions
from activities.venues.ccxt.hosts import Local, open_session
from activities.venues.ccxt.markets import Market, read_markets, with_fees
from activities.venues.ccxt.pacing import Pacer
from activities.venues.ccxt.quirks import ORDERS, Quirks, from_ms
from activities.venues.ccxt.rest import ORDER_PATIENCE, Rest
from activities.venues.ccxt.sharing import SharedRates, Together
from domain.conditions import RateLimits
from domain.errors import InvalidValueError, VenueError
from domain.limiter import ONE_MARKET, ONE_USER, Counted, Rate
from domain.market import ClockReading
from domain.money import Instrument, MarketKind

_log: Final = logging.getLogger(__name__)
#: Decision D11.
DEFAULT_ORDERS: Final = Rate(10, timedelta(seconds=1))
#: How far clocks may be apart when a request's time is checked.
_SKEW: Final = timedelta(seconds=1)
#: Where ccxt keeps its list of markets, by whatever is asked for.
_LISTS: Final = (
    "markets",
    "markets_by_id",
    "symbols",
    "ids",
    "currencies",
    "currencies_by_id",
    "codes",
    "baseCurrencies",
    "quoteCurrencies",
)
_CLOCK_EVERY: Final = 600.0


class Connection:
    """What every call needs. A context manager, or connect and close."""

    def __init__(
        self,
        quirks: Quirks,
        credentials: Credentials | None,
        *,
        local: Local | None = None,
        orders: Rate = DEFAULT_ORDERS,
        timeout: timedelta = timedelta(seconds=5),
    ) -> None:
        """Take the venue's quirks and the account's keys; None reads public data only."""
        self._quirks = quirks
        self._credentials = credentials
        self._local = local
        self._orders = orders
        self._timeout = timeout
        self._executions = Executions()
        self._markets: dict[str, Market] = {}
        self._priced: set[str] = set()
        self._clock: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._session = open_session(self._quirks.hosts, self._local)
        config = {
            "session": self._session,
            "enableRateLimit": False,
            "timeout": int(self._timeout / timedelta(milliseconds=1)),
            "options": dict(self._quirks.options()),
            **(self._credentials.config() if self._credentials else {}),
        }
        library = import_module("ccxt.async_support")
        client = getattr(library, self._quirks.client_class())(config)
        client.number = Decimal  # money is never a float, not even in a list of markets
        client.has["fetchCurrencies"] = False
        client.timeout_on_exit = 0  # it has no connections of its own to wait for
        self._client = client
        self._quirks.adopt(client)
        self._pacer = Pacer(self._quirks.rates(self._orders))
        self._quirks.rest = Rest(
            self._quirks.name,
            client,
            self._pacer,
            self._credentials,
            self._quirks.verdict,
            self._quirks.used,
        )
        self._loading = asyncio.Lock()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections; open streams raise."""
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.gather(self._clock, return_exceptions=True)
        await self._client.close()  # forgets the session, which is ours
        await self._session.close()

    @property
    def name(self) -> str:
        """The venue's name, as it stands in the ledger."""
        return self._quirks.name

    @property
    def kind(self) -> MarketKind:
        """What it trades."""
        return self._quirks.kind

    @property
    def arrival_limit(self) -> timedelta:
        """How long after it was asked for a request can still be executed.

        An order desk sends within half of it, then it may wait for the rate limit, and then the
        venue takes it while its timestamp is fresh.
        """
        return 2 * (ORDER_PATIENCE + self._quirks.window + _SKEW)

    # ---- instruments

    async def instrument(self, symbol: str) -> Instrument:
        """Return *symbol* with its steps, minima and this account's fees."""
        market = await self._market(symbol)
        if symbol not in self._priced:
            if self._credentials is not None:
                market = with_fees(market, *await self._quirks.fees(market))
                self._keep(market)
            self._priced.add(symbol)
        return market.instrument

    async def _market(self, symbol: str) -> Market:
        await self._load()
        market = self._markets.get(symbol)
        if market is not None:
            return market
        near = self._quirks.markets.get(symbol.replace("/", ""))
        hint = f': did you mean "{near.symbol}"?' if near else ""
        raise InvalidValueError(
            f'{self.name} has no open {self.kind} market "{symbol}"{hint}; symbols are unified, '
            "such as BTC/USDT or BTC/USDT:USDT"
        )

    async def _load(self) -> None:
        if self._markets:
            return
        async with self._loading:
            if self._markets:
                return
            await self._quirks.rest.unified("load_time_difference")
            raw = await self._quirks.rest.unified("load_markets")
            for market in read_markets(raw, self.kind).values():
                self._keep(market)
            _forget_markets(self._client)
            self._clock = asyncio.create_task(self._compare_clocks())

    def _keep(self, market: Market) -> None:
        self._markets[market.symbol] = market
        self._quirks.markets[market.id] = market

    def _only_perpetual(self, what: str) -> None:
        if not self._quirks.perpetual:
            raise InvalidValueError(f"a {self.kind} market has no {what}")

    # ---- clock and limits

    async def clock(self) -> ClockReading:
        """Compare the venue's clock with ours, by one public question."""
        asked_at = datetime.now(UTC)
        told = from_ms(await self._quirks.rest.unified("fetch_time"))
        round_trip = datetime.now(UTC) - asked_at
        offset = told - (asked_at + round_trip / 2)
        return ClockReading(offset, round_trip, dates_prices=self._local is None)

    async def _compare_clocks(self) -> None:
        while True:
            await asyncio.sleep(_CLOCK_EVERY)
            try:
                await self._quirks.rest.unified("load_time_difference")
            except VenueError as error:
                _log.warning("%s: the clock could not be compared: %s", self.name, error)

    def share_rates(self, ledger: Ledger) -> SharedRates:
        """Return the context in which this account's rates are shared by all who use *ledger*."""
        together: dict[Counted, list[str]] = {}
        for bucket, rate in self._pacer.limiter.rates.items():
            together.setdefault(rate.counted, []).append(bucket)
        return SharedRates(
            ledger,
            self._pacer,
            [
                Together(self._scope(counted), buckets, counted in ONE_USER)
                for counted, buckets in together.items()
            ],
        )

    def _scope(self, counted: Counted) -> str:
        """Return a name of those whose requests are counted together; of IP addresses we know one.

        A user is known by its number where that is given, else by its key.
        """
        user = self._credentials.user if self._credentials and counted in ONE_USER else "*"
        kind = self.kind if counted in ONE_MARKET else "*"
        return f"{self.name}/{kind}/{user}"

    def rate_limits(self) -> RateLimits:
        """Return the limits, and what of them was used as we and the venue counted it."""
        used = {each.bucket: each for each in self._pacer.usage()}
        orders = used.pop(ORDERS)
        return RateLimits(
            orders, self._quirks.most_orders(), tuple(used.values()), self._pacer.paused()
        )


def _forget_markets(client: Any) -> None:
    """Let go of ccxt's own list, which nothing reads again: some ten MiB for a large venue."""
    for name in _LISTS:
        setattr(client, name, None)
