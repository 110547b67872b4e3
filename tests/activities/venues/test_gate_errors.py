"""What Gate's answers mean to the gateway: recorded ones, its table, its rows and its streams."""

import gzip
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from activities.venues.ccxt.gate.codes import CODES
from activities.venues.ccxt.gate.quirks import Gate
from activities.venues.ccxt.gate.talks import Candles, NewsTalk
from activities.venues.ccxt.gate.words import future_in, id_in, moment, spot_in
from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import Meaning, Reply
from activities.venues.ccxt.quirks import from_ms
from domain.errors import AuthenticationError, ClockSkewError
from domain.money import MarketKind, Price, Quantity
from domain.orders import OrderReport, OrderStatus, RefusalReason, Side
from tests.contract.bench import PERPETUAL, SPOT, opened, trade
from tests.contract.test_venues import A, buy, place

#: The labels of exchanges.md, section 4.
NAMED = {
    "REPEATED_CREATION": Meaning.DUPLICATE,
    "ORDER_POC_IMMEDIATE": Meaning.WOULD_CROSS,
    "POC_FILL_IMMEDIATELY": Meaning.WOULD_CROSS,
    "INSUFFICIENT_AVAILABLE": Meaning.INSUFFICIENT_FUNDS,
    "TOO_MANY_REQUESTS": Meaning.RATE_LIMITED,
    "TOO_FAST": Meaning.RATE_LIMITED,
    "TOO_MANY_ORDERS": Meaning.RATE_LIMITED,
    "INTERNAL": Meaning.UNKNOWN,
    "SERVER_ERROR": Meaning.UNKNOWN,
    "TOO_BUSY": Meaning.UNAVAILABLE,
    "ORDER_NOT_FOUND": Meaning.NOT_FOUND,
    "ORDER_FINISHED": Meaning.NOT_FOUND,
    "AMOUNT_TOO_LITTLE": Meaning.INVALID,
    "SIZE_TOO_SMALL": Meaning.INVALID,
    "INVALID_PARAM_VALUE": Meaning.INVALID,
    "INVALID_PRECISION": Meaning.INVALID,
    "REDUCE_EXCEEDED": Meaning.REDUCE_ONLY,
    "INVALID_KEY": Meaning.AUTHENTICATION,
    "INVALID_SIGNATURE": Meaning.AUTHENTICATION,
    "REQUEST_EXPIRED": Meaning.CLOCK,
    "NO_CHANGE": Meaning.UNCHANGED,
}
RECORDED = {
    "INSUFFICIENT_AVAILABLE": Meaning.INSUFFICIENT_FUNDS,
    "USER_NOT_FOUND": Meaning.REFUSED,
}
FUTURE = Market("BTC_USDT", PERPETUAL, Decimal(1))
COIN = Market("BTC_USDT", SPOT, SPOT.lot_size)


class FakeRest:
    """A client whose clock stands still."""

    @property
    def client(self) -> "FakeRest":
        return self

    def nonce(self) -> int:
        return 1_660_090_400_000


def quirks(kind: MarketKind = MarketKind.PERPETUAL) -> Gate:
    gate = Gate(kind)
    gate.rest = FakeRest()  # type: ignore[assignment]  # which asks nobody
    gate.markets["BTC_USDT"] = FUTURE if kind is MarketKind.PERPETUAL else COIN
    return gate


def reply(status: int, body: str, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, headers or {}, body, orjson.loads(body))


def test_the_recorded_errors_mean_what_they_say(shared_data: Path) -> None:
    judged = {}
    with gzip.open(shared_data / "messages" / "rest_errors.jsonl.gz", "rt") as lines:
        for row in map(json.loads, lines):
            if row["venue"].startswith("gate") and row["http_status"] != 200:
                verdict = quirks().verdict(reply(row["http_status"] or 400, row["body"]))
                assert verdict is not None
                judged[verdict.code] = verdict.meaning
    assert judged == RECORDED


@pytest.mark.parametrize("label", NAMED)
def test_each_label_that_is_named_has_its_meaning(label: str) -> None:
    assert CODES[label] is NAMED[label]
    verdict = quirks().verdict(reply(400, f'{{"label":"{label}","detail":"because"}}'))
    assert verdict is not None
    assert (verdict.meaning, verdict.told) == (NAMED[label], f"{label} because")


def test_a_limit_tells_the_moment_of_its_end() -> None:
    body = '{"label":"TOO_MANY_REQUESTS","message":"Request Rate Limit Exceeded (311)"}'
    headers = {"x-gate-ratelimit-reset-timestamp": "1660090407"}
    verdict = quirks().verdict(reply(429, body, headers))
    assert verdict is not None
    assert verdict.retry_after == timedelta(seconds=7)


def test_only_the_prefix_of_an_id_is_taken_off() -> None:
    assert id_in("t-t-1") == "t-1"
    assert id_in("trade3") == "trade3"
    assert quirks().id_out("trade3") == "t-trade3"


def test_times_are_seconds_or_milliseconds_numbers_or_text() -> None:
    at = from_ms(1_768_397_866_662)
    for told in ("1768397866.662", 1768397866.662, 1768397866662, "1768397866662.0001"):
        assert moment(told) == at


def test_a_recorded_order_of_contracts_is_read_exactly() -> None:
    row = {
        "contract": "BTC_USDT",
        "id": "299207900263708423",
        "price": "0",
        "tif": "ioc",
        "text": "api",
        "is_reduce_only": False,
        "create_time": "1768397866.662",
        "update_time": "1768397866.663",
        "finish_time": "1768397866.663",
        "finish_as": "filled",
        "status": "finished",
        "left": "0",
        "size": "-100",
    }
    assert future_in(FUTURE, row) == OrderReport(
        client_id="api",
        order_id="299207900263708423",
        symbol=FUTURE.symbol,
        side=Side.SELL,
        status=OrderStatus.FILLED,
        quantity=Quantity(100),
        filled=Quantity(100),
        at=from_ms(1_768_397_866_663),
    )


@pytest.mark.parametrize(
    "status, finish_as, left, means",
    [
        ("open", "open", "0.010", OrderStatus.OPEN),
        ("open", "open", "0.004", OrderStatus.PARTIALLY_FILLED),
        ("closed", "filled", "0", OrderStatus.FILLED),
        ("cancelled", "cancelled", "0.010", OrderStatus.CANCELED),
        ("cancelled", "ioc", "0.004", OrderStatus.EXPIRED),
        ("cancelled", "poc", "0.010", OrderStatus.CANCELED),
    ],
)
def test_an_order_of_coins_stands_where_its_row_says(
    status: str, finish_as: str, left: str, means: OrderStatus
) -> None:
    row = {
        "id": "1",
        "text": "t-abc",
        "create_time_ms": 1_768_397_866_662,
        "currency_pair": "BTC_USDT",
        "type": "limit",
        "side": "buy",
        "amount": "0.010",
        "price": "990",
        "left": left,
        "finish_as": finish_as,
    }
    events = {"open": "update", "closed": "finish", "cancelled": "finish"}
    for told in ({"status": status}, {"event": events[status]}):
        report = spot_in(COIN, {**row, **told})
        assert (report.status, report.client_id) == (means, "abc")
        assert report.filled == Quantity(10 - int(Decimal(left) * 1000))
        wanted = RefusalReason.WOULD_CROSS if finish_as == "poc" else None
        assert report.reason is wanted


# ---- streams


def told(topic: str, *rows: Mapping[str, Any]) -> dict[str, Any]:
    return {"channel": f"futures.{topic}", "event": "update", "time": 1, "result": list(rows)}


def execution(number: int, size: int) -> dict[str, Any]:
    return {
        "id": str(number),
        "create_time": 1768397866,
        "create_time_ms": 1768397866662,
        "contract": "BTC_USDT",
        "order_id": "7",
        "size": str(size),
        "price": "990",
        "role": "maker",
        "text": "t-abc",
        "fee": 0.000792,
    }


def order(left: int) -> dict[str, Any]:
    return {
        "id": 7,
        "text": "t-abc",
        "contract": "BTC_USDT",
        "size": 10,
        "left": left,
        "price": 990,
        "create_time": 1768397866,
        "update_time": 1768397866662,
        "status": "open" if left else "finished",
        "finish_as": "_update" if left else "filled",
    }


def heard(talk: NewsTalk, *messages: Mapping[str, Any]) -> list[tuple[str, int, str]]:
    reports = [each for message in messages for each in talk.read(message)]
    assert all(isinstance(each, OrderReport) for each in reports)
    return [
        (each.status.value, each.filled.lots, each.fill.fill_id if each.fill else "")
        for each in reports
        if isinstance(each, OrderReport)
    ]


def test_one_row_of_two_executions_is_two_reports() -> None:
    talk = NewsTalk(quirks())
    fills = told("usertrades", execution(1, 4), execution(2, 6))
    assert heard(talk, fills, told("orders", order(0))) == [
        ("partially_filled", 4, "1"),
        ("filled", 10, "2"),
    ]


def test_executions_that_hurry_ahead_wait_for_their_rows() -> None:
    talk = NewsTalk(quirks())
    fills = told("usertrades", execution(1, 4), execution(2, 6))
    assert heard(talk, fills, told("orders", order(6)), told("orders", order(0))) == [
        ("partially_filled", 4, "1"),
        ("filled", 10, "2"),
    ]


def test_a_row_without_its_execution_goes_alone_and_a_late_one_is_not_counted_twice() -> None:
    talk = NewsTalk(quirks())
    rows = told("orders", order(6)), told("usertrades", execution(1, 4))
    more = told("usertrades", execution(1, 4), execution(2, 6)), told("orders", order(0))
    assert heard(talk, *rows, *more) == [("partially_filled", 4, ""), ("filled", 10, "2")]


def test_a_candle_closes_when_the_next_one_begins() -> None:
    talk = Candles(quirks(), FUTURE, timedelta(minutes=1))

    def bar(at: int, close: str) -> dict[str, Any]:
        row = {"t": at, "v": 1, "o": "990", "h": "990", "l": "980", "c": close}
        return told("candlesticks", {**row, "n": "1m_BTC_USDT"})

    rows = bar(60, "985"), bar(60, "990"), bar(120, "980"), bar(60, "990")
    bars = [each for row in rows for each in talk.read(row)]
    assert [(each.close, each.closed) for each in bars] == [
        (Price(9850), False),
        (Price(9900), False),
        (Price(9900), True),
        (Price(9800), False),
    ]


def test_a_refused_subscription_says_why() -> None:
    (step, *_) = Candles(quirks(), FUTURE, timedelta(minutes=1)).steps()
    message = {"channel": "futures.candlesticks", "event": "subscribe"}
    text = '{"label":"INVALID_KEY","message":"Invalid key provided"}\n'
    with pytest.raises(AuthenticationError, match="INVALID_KEY"):
        step.answered({**message, "error": {"code": 4, "message": text}})
    with pytest.raises(AuthenticationError, match="no"):
        step.answered({**message, "error": {"code": 4, "message": "no"}})
    assert step.answered({**message, "error": None, "result": {"status": "success"}})


# ---- against the local exchange


@pytest.mark.parametrize("kind", list(MarketKind))
async def test_an_order_whose_id_the_venue_forgot_is_found_in_its_lists(
    kind: MarketKind, tmp_path: Path
) -> None:
    symbol = PERPETUAL.symbol if kind is MarketKind.PERPETUAL else SPOT.symbol
    hours = 2 * 3600
    tape = (trade(symbol, 1, 1000), trade(symbol, 2, 990), trade(symbol, hours, 1000))
    async with opened("gate", kind, tmp_path, tape) as bench:
        bench.advance(1)
        placed = await place(bench, A, 990)
        bench.advance(2)
        found = await bench.venue.look_up(symbol, A)
    assert found is not None
    assert (found.order_id, found.status) == (placed.order_id, OrderStatus.FILLED)


async def test_a_market_buy_of_coins_shows_no_price_and_counts_base(tmp_path: Path) -> None:
    tape = (trade(SPOT.symbol, 1, 1000), trade(SPOT.symbol, 2, 1000))
    async with opened("gate", MarketKind.SPOT, tmp_path, tape) as bench:
        bench.advance(1)
        (done,) = await bench.venue.place_batch([buy(bench, A, None)])
        assert isinstance(done, OrderReport)
    assert (done.status, done.filled, done.price) == (OrderStatus.FILLED, Quantity(10), None)


@pytest.mark.parametrize("kind", list(MarketKind))
async def test_an_order_that_arrives_after_its_window_is_not_executed(
    kind: MarketKind, tmp_path: Path
) -> None:
    async with opened("gate", kind, tmp_path) as bench:
        bench.advance(1)
        await bench.venue.instrument(bench.symbol)
        bench.venue._quirks.window = timedelta(seconds=-1)  # as if on its way
        with pytest.raises(ClockSkewError, match="X-Gate-Exptime"):
            await place(bench, A, 990)
        assert await bench.venue.open_orders(bench.symbol) == []
