"""The exchange's own books: what is bid and asked, and all that an account has and did."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from aiohttp import web
from pydantic import Field

from domain.money import EXACT, Instrument
from domain.orders import Fill, OrderReport
from domain.simulation.depth import Level
from domain.simulation.exchange import SimulatedExchange
from workers.exchange.fronts.keys import local_keys
from workers.exchange.host import Host
from workers.exchange.panel.asked import Strict, WrongError, answer, query
from workers.exchange.panel.market import named

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class OfSymbol(Strict):
    """A market, and how deep to look."""

    symbol: str
    levels: int = Field(default=20, ge=1, le=1000)


class OfAccount(Strict):
    """An account, and one symbol or all; `open`: working orders only."""

    account: str
    symbol: str | None = None
    open: bool = False


class OfKeys(Strict):
    """An account by name: any name has keys."""

    account: str = Field(min_length=1)


class BooksPanel:
    """Reads; nothing is changed, and no account is opened by looking."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def keys(self, request: web.Request) -> web.Response:
        """Tell what a client of an account signs with at the fronts."""
        keys = local_keys(query(request, OfKeys).account)
        told = {"apiKey": keys.key, "secret": keys.secret, "password": keys.passphrase}
        return answer({**told, "uid": keys.uid})

    async def books(self, request: web.Request) -> web.Response:
        """Tell what everybody bids and asks, best price first."""
        asked = query(request, OfSymbol)
        instrument = named(self._host, asked.symbol)
        bids, asks = self._host.exchange.book(asked.symbol, asked.levels)
        return answer(
            {
                "symbol": asked.symbol,
                "market_time": self._host.exchange.now.isoformat(),
                "bids": _levels(instrument, bids),
                "asks": _levels(instrument, asks),
            }
        )

    async def orders(self, request: web.Request) -> web.Response:
        """Tell an account's orders, oldest change first."""
        asked, exchange = self._of_account(request)
        reports: list[OrderReport] = []
        for symbol in self._symbols(asked):
            some = exchange.orders_since(asked.account, symbol, _EPOCH)
            reports += [each for each in some if each.status.working or not asked.open]
        return answer({"orders": [self._order(each) for each in reports]})

    async def fills(self, request: web.Request) -> web.Response:
        """Tell an account's executions, oldest first."""
        asked, exchange = self._of_account(request)
        fills = [
            self._fill(each)
            for symbol in self._symbols(asked)
            for each in exchange.fills_since(asked.account, symbol, _EPOCH)
        ]
        return answer({"fills": fills})

    async def balances(self, request: web.Request) -> web.Response:
        """Tell what an account owns."""
        asked, exchange = self._of_account(request)
        told = [
            {"asset": each.asset, "total": each.total, "locked": each.locked}
            for each in exchange.balances(asked.account)
        ]
        return answer({"balances": told})

    async def positions(self, request: web.Request) -> web.Response:
        """Tell an account's positions that are not flat."""
        asked, exchange = self._of_account(request)
        told = []
        for each in exchange.positions(asked.account, asked.symbol):
            instrument = self._host.instrument(each.symbol)
            told.append(
                {
                    "symbol": each.symbol,
                    "quantity": _base(instrument, each.lots),
                    "cost": instrument.notional_of(each.cost),
                    "realized": each.realized,
                    "mark": None if each.mark is None else instrument.price_of(each.mark),
                }
            )
        return answer({"positions": told})

    def _of_account(self, request: web.Request) -> tuple[OfAccount, SimulatedExchange]:
        asked, exchange = query(request, OfAccount), self._host.exchange
        known = tuple(exchange.rules.accounts)
        if asked.account not in known:
            there = ", ".join(known) or "none yet"
            fix = f"name an account that was used (there are: {there})"
            raise WrongError("account", asked.account, fix)
        return asked, exchange

    def _symbols(self, asked: OfAccount) -> Sequence[str]:
        return self._host.symbols if asked.symbol is None else [named_symbol(self._host, asked)]

    def _order(self, report: OrderReport) -> dict[str, Any]:
        instrument = self._host.instrument(report.symbol)
        return {
            "client_id": report.client_id,
            "order_id": report.order_id,
            "symbol": report.symbol,
            "side": report.side.value,
            "status": report.status.value,
            "price": None if report.price is None else instrument.price_of(report.price),
            "quantity": instrument.base_of(report.quantity),
            "filled": instrument.base_of(report.filled),
            "value": instrument.notional_of(report.value),
            "fees": dict(report.fees),
            "reduce_only": report.reduce_only,
            "changed_at": None if report.at is None else report.at.isoformat(),
        }

    def _fill(self, fill: Fill) -> dict[str, Any]:
        instrument = self._host.instrument(fill.symbol)
        return {
            "fill_id": fill.fill_id,
            "client_id": fill.client_id,
            "order_id": fill.order_id,
            "symbol": fill.symbol,
            "side": fill.side.value,
            "price": instrument.price_of(fill.price),
            "quantity": instrument.base_of(fill.quantity),
            "fee": fill.fee,
            "fee_asset": fill.fee_asset,
            "maker": fill.maker,
            "at": fill.at.isoformat(),
        }


def named_symbol(host: Host, asked: OfAccount) -> str:
    """Return the symbol that is asked for, or raise WrongError if it is not traded."""
    return named(host, str(asked.symbol)).symbol


def _base(instrument: Instrument, lots: int) -> Decimal:
    return EXACT.multiply(Decimal(lots), instrument.lot_size)


def _levels(instrument: Instrument, levels: Sequence[Level]) -> list[list[Decimal]]:
    return [
        [EXACT.multiply(Decimal(ticks), instrument.tick_size), _base(instrument, lots)]
        for ticks, lots in levels
    ]
