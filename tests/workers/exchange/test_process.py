"""The exchange as a process: killed at any moment it goes on where it was, and it ends cleanly."""

import asyncio
import gzip
import os
import signal
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from activities.venues.remote import RemoteVenue
from activities.venues.streams import Reports
from domain.errors import UnknownOutcomeError, VenueError, VenueUnavailableError
from domain.money import Instrument
from domain.orders import Fill, OrderReport, OrderRequest, Side
from opensqt.market_maker.v1 import paper_pb2
from tests.workers.exchange.process import RECORDED, Exchange, failed, started

START = datetime(2026, 1, 1, tzinfo=UTC)
#: A made market that is nervous enough to fill a ladder at once.
MADE = ("--start-at", "2026-01-01T00:00:00+0000", "--volatility", "0.5", "--seed", "7")
#: Seconds: we ask after one and wait for 1.5; without our limits it would be more than a minute.
_NOTICED = 20
STARTING = {"USDT": Decimal(100_000), "BTC": Decimal(10), "ETH": Decimal(100)}


async def ladder(venue: RemoteVenue, tag: str) -> None:
    """Place five buys and five sells around the price."""
    instrument = await venue.instrument("BTCUSDT")
    price = (await venue.last_price("BTCUSDT")).price
    lots = instrument.quantity(Decimal("0.002"))
    for step in range(1, 6):
        for side in Side:
            at = price - side.sign * step * 10_000
            await venue.place(OrderRequest(f"{tag}{side[0]}{step}", "BTCUSDT", side, lots, at))


async def record(venue: RemoteVenue) -> dict[str, Any]:
    """Return everything that a client can ask of its account."""
    orders = await venue.orders_since("BTCUSDT", START)
    return {
        "orders": {order.client_id: order for order in orders},
        "open": await venue.open_orders("BTCUSDT"),
        "fills": await venue.fills_since("BTCUSDT", START),
        "balances": await venue.balances(),
        "price": await venue.last_price("BTCUSDT"),
    }


def money_adds_up(instrument: Instrument, fills: Sequence[Fill], balances: Sequence[Any]) -> None:
    expected = dict(STARTING)
    for fill in fills:
        expected["BTC"] += fill.side.sign * instrument.base_of(fill.quantity)
        expected["USDT"] -= fill.side.sign * instrument.notional(fill.price, fill.quantity)
        expected[fill.fee_asset] -= fill.fee
    assert {each.asset: each.total for each in balances} == expected


async def test_after_a_kill_everything_is_as_it_was(tmp_path: Path) -> None:
    async with (
        started(tmp_path, *MADE, "--speed", "0") as exchange,
        RemoteVenue(exchange.address, "alice") as venue,
    ):
        await exchange.advance(5)
        await ladder(venue, "a")
        await exchange.advance(30)
        await venue.cancel("BTCUSDT", "ab5")
        async with venue.reports(after=0) as stream:
            told = [await anext(stream) for _ in range(await _count(venue))]
        before = await record(venue)
        await exchange.kill()
    assert before["fills"]
    async with (
        started(tmp_path, *MADE, "--speed", "0") as exchange,
        RemoteVenue(exchange.address, "alice") as venue,
    ):
        assert await record(venue) == before
        async with venue.reports(after=0) as stream:
            assert [await anext(stream) for _ in told] == told
        # And it goes on as if nothing had been: like one that was never killed.
        await exchange.advance(470)
        after = await record(venue)
        instrument = await venue.instrument("BTCUSDT")
        money_adds_up(instrument, after["fills"], after["balances"])
        position = (await exchange.advance(1)).status.position
    assert position == 506
    assert len(after["fills"]) > len(before["fills"])


async def _count(venue: RemoteVenue) -> int:
    """Return how many reports the account has."""
    async with venue.reports() as stream:
        return stream.sequence


class Client:
    """Trades and listens through one life of the exchange after the other."""

    def __init__(self) -> None:
        self.seen: dict[int, OrderReport] = {}
        self.answered: dict[str, OrderReport] = {}
        self.unknown: set[str] = set()

    async def live(self, exchange: Exchange, life: int) -> None:
        """Trade and listen until the exchange is dead; it is killed in the middle of it."""
        async with (
            RemoteVenue(exchange.address, "alice") as venue,
            venue.reports(after=max(self.seen, default=0)) as stream,
        ):
            trading = asyncio.create_task(self._trade(venue, f"l{life}x"))
            with pytest.raises(VenueUnavailableError):
                await self._listen(exchange, stream, 40 + 17 * life)
            await trading

    async def _trade(self, venue: RemoteVenue, tag: str) -> None:
        instrument = await venue.instrument("BTCUSDT")
        price = (await venue.last_price("BTCUSDT")).price
        lots = instrument.quantity(Decimal("0.002"))
        for number in range(100_000):
            side = Side.BUY if number % 2 else Side.SELL
            at = price - side.sign * (number % 40) * 100
            request = OrderRequest(f"{tag}{number}", "BTCUSDT", side, lots, at)
            try:
                outcome = await venue.place(request)
            except UnknownOutcomeError:
                self.unknown.add(request.client_id)
                return
            except VenueError:
                return
            if isinstance(outcome, OrderReport):
                self.answered[request.client_id] = outcome
            if number % 3 == 0:
                await asyncio.sleep(0)

    async def _listen(self, exchange: Exchange, stream: Reports, until: int) -> None:
        heard = 0
        async with asyncio.timeout(30):
            async for report in stream:
                assert stream.sequence not in self.seen
                self.seen[stream.sequence] = report
                heard += 1
                if heard == until:
                    exchange.process.kill()


async def test_killed_while_trading_nothing_is_lost_doubled_or_told_differently(
    tmp_path: Path,
) -> None:
    client = Client()
    for life in range(5):
        async with started(tmp_path, *MADE, "--speed", "600") as exchange:
            await client.live(exchange, life)
    assert sorted(client.seen) == list(range(1, len(client.seen) + 1))  # no hole in five lives
    async with (
        started(tmp_path, *MADE, "--speed", "0") as exchange,
        RemoteVenue(exchange.address, "alice") as venue,
    ):
        count = await _count(venue)
        async with venue.reports(after=0) as stream:
            again = [await anext(stream) for _ in range(count)]
        assert again[: len(client.seen)] == list(client.seen.values())
        orders = {each.client_id: each for each in await venue.orders_since("BTCUSDT", START)}
        assert len({each.order_id for each in orders.values()}) == len(orders)
        assert set(client.answered) <= set(orders) <= set(client.answered) | client.unknown
        for client_id, answer in client.answered.items():
            assert orders[client_id].order_id == answer.order_id
            assert orders[client_id].filled >= answer.filled
        fills = await venue.fills_since("BTCUSDT", START)
        assert len({fill.fill_id for fill in fills}) == len(fills) > 0
        assert [each.fill for each in again if each.fill] == list(fills)
        instrument = await venue.instrument("BTCUSDT")
        money_adds_up(instrument, fills, await venue.balances())


async def test_a_dead_exchange_is_noticed(tmp_path: Path) -> None:
    async with (
        started(tmp_path, *MADE, "--speed", "0") as exchange,
        RemoteVenue(exchange.address, "alice") as venue,
        venue.reports() as stream,
    ):
        await exchange.kill()
        with pytest.raises(VenueUnavailableError):
            await asyncio.wait_for(anext(stream), _NOTICED)


async def test_a_frozen_exchange_is_noticed(tmp_path: Path) -> None:
    async with (
        started(tmp_path, *MADE, "--speed", "0") as exchange,
        RemoteVenue(exchange.address, "alice") as venue,
        venue.reports() as stream,
    ):
        exchange.process.send_signal(signal.SIGSTOP)
        with pytest.raises(VenueUnavailableError):
            await asyncio.wait_for(anext(stream), _NOTICED)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly_also_with_a_listener(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with (
        started(tmp_path, *MADE, "--speed", "1000") as exchange,
        RemoteVenue(exchange.address, "alice") as venue,
        venue.reports() as stream,
    ):
        exchange.process.send_signal(number)
        with pytest.raises(VenueUnavailableError):
            await asyncio.wait_for(anext(stream), 60)
        assert await asyncio.wait_for(exchange.process.wait(), 60) == 0
        assert exchange.process.stderr is not None
        assert await exchange.process.stderr.read() == b""


async def test_it_says_that_it_is_healthy(tmp_path: Path) -> None:
    async with (
        started(tmp_path, *MADE) as exchange,
        grpc.aio.insecure_channel(exchange.address) as channel,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        for service in ("", "opensqt.market_maker.v1.ExchangeService"):
            answer = await health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_second_exchange_on_the_same_books_is_refused(tmp_path: Path) -> None:
    async with started(tmp_path, *MADE):
        message = await failed("--data", str(tmp_path), "--listen", "127.0.0.1:0", *MADE)
    assert "running" in message
    assert str(tmp_path) in message


async def test_a_taken_port_is_one_clear_message(tmp_path: Path) -> None:
    async with started(tmp_path / "one", *MADE) as exchange:
        message = await failed("--data", str(tmp_path / "two"), "--listen", exchange.address, *MADE)
    assert exchange.address in message
    assert "--listen" in message


async def test_books_of_another_market_are_refused_and_left_alone(tmp_path: Path) -> None:
    async with started(tmp_path, *MADE, "--speed", "0") as exchange:
        await exchange.advance(10)
    other = ("--data", str(tmp_path), "--listen", "127.0.0.1:0", *MADE[:-1], "8")
    assert "another market" in await failed(*other)
    async with started(tmp_path, *MADE, "--speed", "0") as exchange:
        assert (await exchange.advance(1)).status.position == 11


def read_only(path: Path) -> Path:
    path.chmod(0o500)
    return path


async def test_a_directory_that_cannot_be_written_is_one_clear_message(tmp_path: Path) -> None:
    # Nothing is read-only for root, but also root can make no directory below a file.
    below = Path(__file__) if os.geteuid() == 0 else read_only(tmp_path)
    message = await failed("--data", str(below / "books"), "--listen", "127.0.0.1:0")
    assert "cannot be written" in message
    assert "--data" in message


def damage(data: Path) -> None:
    for name in ("exchange.db-wal", "exchange.db-shm"):
        (data / name).unlink(missing_ok=True)
    (data / "exchange.db").write_bytes(b"no database" * 1000)


async def test_damaged_books_are_one_clear_message(tmp_path: Path) -> None:
    async with started(tmp_path, *MADE):
        pass
    damage(tmp_path)
    message = await failed("--data", str(tmp_path), "--listen", "127.0.0.1:0", *MADE)
    assert "exchange.db cannot be read" in message


HEADER = "trade_time_ms,event_time_ms,recv_us,trade_id,price,qty,is_buyer_maker,order_type\n"


@pytest.mark.parametrize(
    "name, content, told",
    [
        ("x_spot_BTCUSDT_trades.csv.gz", None, "No such file"),
        ("x_spot_BTCUSDT_trades.csv.gz", b"not gzipped", "no gzipped CSV"),
        ("x_spot_BTCUSDT_trades.csv.gz", gzip.compress(b"", mtime=0), "at least one row"),
        (
            "x_spot_BTCUSDT_trades.csv.gz",
            gzip.compress(b"a,b\n1,2\n", mtime=0),
            "columns were a, b",
        ),
        (
            "x_spot_BTCUSDT_trades.csv.gz",
            gzip.compress((HEADER + "1,1,1,1,ten,1,true,\n").encode(), mtime=0),
            "line 2: price must be a number",
        ),
        (
            "x_spot_BTCUSDT_trades.csv.gz",
            gzip.compress((HEADER + "1,1\n").encode(), mtime=0),
            "as many values",
        ),
        (
            "unnamed.csv.gz",
            gzip.compress((HEADER + "1,1,1,1,10,1,true,\n").encode(), mtime=0),
            "--symbol",
        ),
    ],
)
async def test_an_unreadable_tape_is_one_clear_message(
    tmp_path: Path, name: str, content: bytes | None, told: str
) -> None:
    tape = tmp_path / name
    if content is not None:
        tape.write_bytes(content)
    data = tmp_path / "books"
    message = await failed("--data", str(data), "--listen", "127.0.0.1:0", "--tape", str(tape))
    assert told in message
    assert not data.exists()


async def test_others_are_not_let_in_by_accident(tmp_path: Path) -> None:
    message = await failed("--data", str(tmp_path / "books"), "--listen", "0.0.0.0:0")
    assert "--insecure-listen" in message


@pytest.mark.skipif(not RECORDED.is_dir(), reason=f"there is no recorded data in {RECORDED}")
@pytest.mark.parametrize(
    "file, symbol",
    [
        ("trades/binance_usdm_BTCUSDT_trades_20240808.csv.gz", "BTCUSDT"),
        ("trades/binance_spot_ETHUSDT_quotes_20240808_09.csv.gz", "ETHUSDT"),
        ("trades/binance_usdm_APEUSDT_aggtrades_20241018.csv.gz", "APEUSDT"),
        ("ohlcv/binance_spot_BTCUSDT_1m_20210420_20210520.csv.gz", "BTCUSDT"),
    ],
)
async def test_a_recorded_tape_plays_to_its_end_and_fills_orders(
    tmp_path: Path, file: str, symbol: str
) -> None:
    tape = ("--tape", str(RECORDED / file), "--speed", "0")
    async with (
        started(tmp_path, *tape) as exchange,
        RemoteVenue(exchange.address, "alice", timeout=timedelta(seconds=10)) as venue,
    ):
        assert exchange.told["symbols"] == [symbol]
        await exchange.advance(1)
        instrument = await venue.instrument(symbol)
        price = (await venue.last_price(symbol)).price
        lots = instrument.affordable(Decimal(500), price)
        async with venue.reports() as stream:
            for step in range(1, 4):
                at = price - max(1, step * price.ticks // 20_000)
                await venue.place(OrderRequest(f"a{step}", symbol, Side.BUY, lots, at))
            stopped = await exchange.advance(1_000_000, report=True)
            assert stopped.reason == paper_pb2.STOP_REASON_REPORT
            told = [await anext(stream) for _ in range(4)]
        assert told[-1].fill is not None
        assert told[-1].fill.at == (await venue.account_view(symbol, told[-1].fill.at)).at
        ended = await exchange.advance(1_000_000)
        assert ended.reason == paper_pb2.STOP_REASON_EXHAUSTED
        assert ended.status.exhausted
        before = await venue.account_view(symbol, datetime(2020, 1, 1, tzinfo=UTC))
        await exchange.kill()
    async with (
        started(tmp_path, *tape) as exchange,
        RemoteVenue(exchange.address, "alice", timeout=timedelta(seconds=10)) as venue,
    ):
        assert await venue.account_view(symbol, datetime(2020, 1, 1, tzinfo=UTC)) == before
