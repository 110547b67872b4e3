"""The process of one exchange: books that survive its death, a market that the lab moves."""

import asyncio
import json
import os
from decimal import Decimal
from typing import Final

from domain.market import PriceUpdate
from workers.crashlab.pairs.hand import ASKED, EPOCH, TOLD, Asked, ExchangeBooks, Told
from workers.crashlab.pairs.moves import Script
from workers.crashlab.pairs.roles import PAPER, ExchangeRole
from workers.crashlab.role import WINDOW
from workers.exchange.faults import FaultRule
from workers.exchange.server import Running, running
from workers.exchange.settings import ExchangeSettings

_BALANCES: Final = {"USDT": Decimal(5000)}
#: Spot that is sold was bought before; of fees in base something must be there first.
_SPOT_BALANCES: Final = {"USDT": Decimal(5000), "BTC": Decimal(1)}


async def be_exchange(role: ExchangeRole) -> None:
    """Serve until killed."""
    leg = role.leg
    script = Script(role.script, leg.kind)
    settings = ExchangeSettings(
        data=role.data,
        listen="127.0.0.1:0",
        balances=_BALANCES if leg.perpetual else _SPOT_BALANCES,
        fronts=() if leg.venue == PAPER else (leg.venue,),
    )
    async with running(settings, script) as exchange:
        _narrow(exchange)
        hand = _Hand(role, exchange, script)
        hand.begin()
        async with await asyncio.start_server(hand.serve, "127.0.0.1", 0) as server:
            _tell_where(role, exchange, server.sockets[0].getsockname()[:2])
            await asyncio.Event().wait()


def _narrow(exchange: Running) -> None:
    if exchange.fronts is None:
        return
    for dialect in exchange.fronts.dialects:
        if dialect.window is not None:
            dialect.window = min(dialect.window, WINDOW)


def _tell_where(role: ExchangeRole, exchange: Running, hand: tuple[str, int]) -> None:
    """Write where it listens, as a whole: a reader sees the last start or this one."""
    clients = exchange.address.rsplit(":", 1)
    if exchange.fronts is not None:
        clients = [exchange.fronts.host, str(exchange.fronts.port)]
    told = {"pid": os.getpid(), "clients": (clients[0], int(clients[1])), "hand": hand}
    fresh = role.where.with_suffix(".fresh")
    fresh.write_text(json.dumps(told))
    fresh.replace(role.where)


class _Hand:
    """Does what the lab asks."""

    def __init__(self, role: ExchangeRole, exchange: Running, script: Script) -> None:
        self._role = role
        self._exchange = exchange
        self._script = script
        self._faults: tuple[FaultRule, ...] = ()

    def begin(self) -> None:
        """Open the market, or quote it as before: its clock stood still while it was dead."""
        self._exchange.host.account(self._role.leg.account)
        if self._script.quoted is None:
            self._script.open(self._role.price)
        else:
            self._script.add(self._script.quoted)
        self._happen()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one line."""
        try:
            line = await reader.readline()
            if line:
                writer.write(TOLD.dump_json(self._do(ASKED.validate_json(line))) + b"\n")
                await writer.drain()
        finally:
            writer.close()

    def _do(self, asked: Asked) -> Told:
        for move in asked.moves:
            self._script.add(move)
        self._happen()
        if asked.faults != self._faults:
            self._faults = asked.faults
            self._exchange.plan.set(asked.faults)
        books = self._books()
        return Told(
            self._exchange.plan.played,
            len(books.orders),
            sum(order.status.working for order in books.orders),
            books if asked.books else None,
        )

    def _happen(self) -> None:
        if self._script.waiting:
            self._exchange.host.advance(self._script.waiting)

    def _books(self) -> ExchangeBooks:
        leg, host = self._role.leg, self._exchange.host
        account, exchange = host.account(leg.account), host.exchange
        return ExchangeBooks(
            host.instrument(leg.symbol),
            exchange.orders_since(account, leg.symbol, EPOCH),
            exchange.fills_since(account, leg.symbol, EPOCH),
            exchange.positions(account, leg.symbol),
            exchange.balances(account),
            _known(exchange.last_price(leg.symbol)).price,
            host.market_time,
        )


def _known(price: PriceUpdate | None) -> PriceUpdate:
    if price is None:
        raise AssertionError("the lab's market has a price")
    return price
