"""What Bybit's real answers mean to the gateway, and what is peculiar to its orders and fills."""

import asyncio
import gzip
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from activities.venues.ccxt.bybit.history import in_sequence
from activities.venues.ccxt.bybit.quirks import Bybit
from activities.venues.ccxt.bybit.talks import Marks, PrivateNews
from activities.venues.ccxt.bybit.words import balance_in, fill_in, order_in
from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import Meaning, Reply
from activities.venues.ccxt.registry import VENUES, quirks_of
from activities.venues.ccxt.venue import CcxtVenue
from domain.limiter import Rate
from domain.money import MarketKind, Price, Quantity
from domain.orders import OrderReport, OrderStatus, RefusalReason
from tests.contract.bench import PERPETUAL, SPOT, START, credentials, opened
from tests.contract.test_venues import A, buy, place, soon
from workers.exchange.fronts.bybit.history import History
from workers.exchange.fronts.registry import DIALECTS

#: Section 4 of the study of exchanges, and what may have executed.
MEANINGS = {
    "110072": Meaning.DUPLICATE,
    "170141": Meaning.DUPLICATE,
    "110007": Meaning.INSUFFICIENT_FUNDS,
    "170131": Meaning.INSUFFICIENT_FUNDS,
    "10006": Meaning.RATE_LIMITED,
    "10018": Meaning.RATE_LIMITED,
    "170005": Meaning.RATE_LIMITED,
    "10000": Meaning.UNKNOWN,
    "10016": Meaning.UNAVAILABLE,
    "170007": Meaning.UNKNOWN,
    "170146": Meaning.UNKNOWN,
    "110001": Meaning.NOT_FOUND,
    "170213": Meaning.NOT_FOUND,
    "110094": Meaning.INVALID,
    "170140": Meaning.INVALID,
    "170134": Meaning.INVALID,
    "170137": Meaning.INVALID,
    "10001": Meaning.INVALID,
    "110017": Meaning.REDUCE_ONLY,
    "10003": Meaning.AUTHENTICATION,
    "10004": Meaning.AUTHENTICATION,
    "10002": Meaning.CLOCK,
    "110043": Meaning.UNCHANGED,
    "110025": Meaning.UNCHANGED,
    # nobody listed it: HTTP 200 with an unknown code is no definite no
    "987654": Meaning.UNKNOWN,
}
NOW = 1_693_924_869_000


class FakeRest:
    """A client that knows what time it is."""

    @property
    def client(self) -> "FakeRest":
        return self

    def milliseconds(self) -> int:
        return NOW


def bybit(kind: MarketKind = MarketKind.PERPETUAL) -> Bybit:
    quirks = Bybit(kind)
    quirks.rest = FakeRest()  # type: ignore[assignment]  # it only tells the time
    instrument = PERPETUAL if kind is MarketKind.PERPETUAL else SPOT
    quirks.markets["BTCUSDT"] = Market("BTCUSDT", instrument, instrument.lot_size)
    return quirks


def reply(body: str, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    try:
        data = orjson.loads(body)
    except ValueError:
        data = None
    return Reply(status, headers or {}, body, data)


def told(code: str, message: str = "words") -> Reply:
    return reply(json.dumps({"retCode": int(code), "retMsg": message, "result": {}}))


@pytest.mark.parametrize("kind", list(MarketKind))
@pytest.mark.parametrize("code", list(MEANINGS))
def test_each_code_means_what_it_says(code: str, kind: MarketKind) -> None:
    verdict = bybit(kind).verdict(told(code))
    assert verdict is not None
    assert (verdict.code, verdict.meaning) == (code, MEANINGS[code])


def test_recorded_errors_are_limits(shared_data: Path) -> None:
    with gzip.open(shared_data / "messages" / "rest_errors.jsonl.gz", "rt") as lines:
        recorded = [json.loads(line) for line in lines]
    bodies = [row["body"] for row in recorded if row["venue"].startswith("bybit")]
    assert bodies
    for body in bodies:
        verdict = bybit().verdict(reply(body))
        assert verdict is not None
        assert verdict.meaning is Meaning.RATE_LIMITED


def test_a_limit_tells_its_end_and_a_forbidden_address_waits_long() -> None:
    headers = {"x-bapi-limit-reset-timestamp": str(NOW + 2500)}
    body = '{"retCode":10006,"retMsg":"Too many visits!","result":{}}'
    limited = bybit().verdict(reply(body, headers=headers))
    assert limited is not None
    assert limited.retry_after == timedelta(seconds=2.5)
    forbidden = bybit().verdict(reply("403, access too frequent", 403))
    assert forbidden is not None
    assert forbidden.meaning is Meaning.RATE_LIMITED
    assert forbidden.retry_after == timedelta(minutes=10)
    text = "The Amazon CloudFront distribution is configured to block access from your country."
    abroad = bybit().verdict(reply(text, 403))
    assert abroad is not None
    assert abroad.meaning is Meaning.AUTHENTICATION


def test_json_that_is_no_answer_of_the_venue_is_unknown() -> None:
    for body in ("{}", "[]", "null", '"ok"'):
        verdict = bybit().verdict(reply(body))
        assert verdict is not None
        assert verdict.meaning is Meaning.UNKNOWN


def test_a_symbol_that_is_none_is_told_from_other_wrong_parameters() -> None:
    verdict = bybit().verdict(told("10001", "params error: symbol invalid BTCUSD"))
    assert verdict is not None
    assert verdict.meaning is Meaning.UNKNOWN_SYMBOL


# ---- orders, executions, the wallet


def order_row(**more: Any) -> dict[str, Any]:
    return {
        "category": "linear",
        "symbol": "BTCUSDT",
        "orderId": "o-1",
        "orderLinkId": A,
        "side": "Buy",
        "orderType": "Limit",
        "price": "990.0",
        "qty": "0.010",
        "orderStatus": "New",
        "rejectReason": "EC_NoError",
        "cumExecQty": "0.000",
        "reduceOnly": True,
        "updatedTime": "1672364262457",
        **more,
    }


def execution_row(number: int, leaves: str, lots: str, **more: Any) -> dict[str, Any]:
    return {
        "category": "linear",
        "symbol": "BTCUSDT",
        "orderId": "o-1",
        "orderLinkId": A,
        "side": "Buy",
        "orderType": "Limit",
        "orderPrice": "990.0",
        "orderQty": "0.010",
        "leavesQty": leaves,
        "execId": f"e-{number}",
        "execType": "Trade",
        "execPrice": "990.0",
        "execQty": lots,
        "execFee": "0.001",
        "isMaker": True,
        "execTime": "1672364262457",
        **more,
    }


def message(topic: str, *rows: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": "1", "topic": topic, "creationTime": 1672364262474, "data": list(rows)}


def market(kind: MarketKind = MarketKind.PERPETUAL) -> Market:
    return bybit(kind).markets["BTCUSDT"]


def test_the_price_of_a_market_order_is_none_whatever_protection_made_of_it() -> None:
    report = order_in(market(), order_row(orderType="Market", price="1039.53"))
    assert report.price is None


def test_a_post_only_order_that_was_canceled_for_crossing_says_so() -> None:
    row = order_row(orderStatus="Cancelled", rejectReason="EC_PostOnlyWillTakeLiquidity")
    report = order_in(market(), row)
    assert (report.status, report.reason) == (OrderStatus.CANCELED, RefusalReason.WOULD_CROSS)


def test_the_fee_of_spot_is_in_what_was_bought_and_a_rebate_in_what_was_sold() -> None:
    spot = market(MarketKind.SPOT)
    bought = fill_in(spot, execution_row(1, "0", "0.010"))
    sold = fill_in(spot, execution_row(1, "0", "0.010", side="Sell"))
    rebate = fill_in(spot, execution_row(1, "0", "0.010", execFee="-0.001"))
    named = fill_in(spot, execution_row(1, "0", "0.010", feeCurrency="MNT"))
    assert [each.fee_asset for each in (bought, sold, rebate, named)] == [
        "BTC",
        "USDT",
        "USDT",
        "MNT",
    ]


def test_all_that_locks_a_coin_is_locked() -> None:
    row = {
        "coin": "USDT",
        "walletBalance": "100",
        "locked": "1",
        "totalOrderIM": "2",
        "totalPositionIM": "",
    }
    balance = balance_in(row)
    assert (balance.total, balance.locked) == (Decimal(100), Decimal(3))


def test_an_execution_is_told_once_whichever_topic_comes_first() -> None:
    part = order_row(orderStatus="PartiallyFilled", cumExecQty="0.004")
    execution = execution_row(1, "0.006", "0.004")
    for topics in (("execution", "order"), ("order", "execution")):
        talk = PrivateNews(bybit())
        list(talk.read(message("order", order_row())))
        rows = {"execution": execution, "order": part}
        told = [each for topic in topics for each in talk.read(message(topic, rows[topic]))]
        reports = [each for each in told if isinstance(each, OrderReport)]
        assert len(reports) == len(told)
        assert [each.filled for each in reports] == [Quantity(4)] * len(reports)
        assert [each.fill.fill_id for each in reports if each.fill] == ["e-1"]
        assert all(each.reduce_only for each in reports)


def test_of_executions_at_once_the_one_that_leaves_least_is_told() -> None:
    talk = PrivateNews(bybit())
    rows = (execution_row(2, "0.000", "0.006"), execution_row(1, "0.006", "0.004"))
    (report,) = talk.read(message("execution", *rows))
    assert isinstance(report, OrderReport)
    assert (report.status, report.filled) == (OrderStatus.FILLED, Quantity(10))


def test_funding_and_the_other_kind_of_market_are_no_news() -> None:
    talk = PrivateNews(bybit())
    funding = execution_row(1, "0", "0.010", execType="Funding")
    spot = execution_row(1, "0", "0.010", category="spot")
    assert list(talk.read(message("execution", funding, spot))) == []
    assert list(talk.read(message("order", order_row(category="spot")))) == []
    assert list(talk.read({"op": "pong", "args": ["1"]})) == []
    assert list(talk.read("pong")) == []


def test_a_ticker_that_tells_only_what_changed_keeps_the_rest() -> None:
    talk = Marks(bybit(), [market()])
    first = {"symbol": "BTCUSDT", "markPrice": "1000.0", "fundingRate": "0.0001"}
    changed = {"symbol": "BTCUSDT", "markPrice": "1001.0"}
    marks = [
        mark
        for how, data in (("snapshot", first), ("delta", changed))
        for mark in talk.read({"topic": "tickers.BTCUSDT", "type": how, "ts": NOW, "data": data})
    ]
    assert [mark.mark for mark in marks] == [Price(10_000), Price(10_010)]
    assert [str(mark.funding_rate) for mark in marks] == ["0.0001", "0.0001"]


# ---- over real sockets


@pytest.fixture
def spoken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bybit on both sides, whether or not the registries name it."""
    monkeypatch.setitem(VENUES, "bybit", "activities.venues.ccxt.bybit.quirks:Bybit")
    monkeypatch.setitem(DIALECTS, "bybit", "workers.exchange.fronts.bybit:Bybit")


@pytest.mark.usefixtures("spoken")
@pytest.mark.parametrize("kind", list(MarketKind))
async def test_an_order_that_ended_long_ago_is_found_in_the_history(
    kind: MarketKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(History, "recent", 0)
    async with opened("bybit", kind, tmp_path) as bench:
        bench.advance(1)
        await place(bench, A, 990)
        bench.advance(2)
        found = await bench.venue.look_up(bench.symbol, A)
    assert found is not None
    assert (found.status, found.value) == (OrderStatus.FILLED, 10 * 9900)


@pytest.mark.usefixtures("spoken")
@pytest.mark.parametrize("kind", list(MarketKind))
async def test_histories_are_read_page_after_page_and_span_after_span(
    kind: MarketKind, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("activities.venues.ccxt.bybit.history._FILLS_PAGE", 1)
    monkeypatch.setattr("activities.venues.ccxt.bybit.history.PAGE", 1)
    async with opened("bybit", kind, tmp_path) as bench:
        bench.advance(1)
        await place(bench, A, 990)
        await place(bench, A.replace("zz", "yy"), 900)
        await place(bench, A.replace("zz", "xx"), 901)
        bench.advance(2)
        fills = await bench.venue.fills_since(bench.symbol, START - timedelta(days=20))
        assert [each.quantity.lots for each in fills] == [4, 6]
        assert len(await bench.venue.open_orders(bench.symbol)) == 2
        orders = await bench.venue.orders_since(bench.symbol, START - timedelta(days=20))
        assert len(orders) == 3


@pytest.mark.usefixtures("spoken")
@pytest.mark.parametrize("kind", list(MarketKind))
async def test_a_cancel_reaches_the_venue_before_the_orders_that_waited_longer(
    kind: MarketKind, tmp_path: Path
) -> None:
    """As the venue tells it: a cancel is answered with an id only, and then looked up."""
    async with opened("bybit", kind, tmp_path) as bench:
        bench.advance(1)
        await place(bench, A, 990)
        rate = Rate(10, timedelta(seconds=1))
        venue = CcxtVenue(
            quirks_of("bybit", kind), credentials("alice"), local=bench.local, orders=rate
        )
        async with venue, bench.venue.reports() as reports:
            await venue.instrument(bench.symbol)
            ids = [f"q12345678b00000000300{number:04d}zz" for number in range(18)]
            orders = [buy(bench, each, 900 + number) for number, each in enumerate(ids)]
            sending = [asyncio.create_task(venue.place(each)) for each in orders]
            await asyncio.sleep(0.01)
            await asyncio.gather(venue.cancel(bench.symbol, A), *sending)
            told = [(await soon(reports)).client_id for _ in range(19)]
    assert sorted(told) == sorted([A, *ids])
    assert told.index(A) == 10


def listed(exec_id: str, time: int, seq: int, **more: Any) -> dict[str, Any]:
    row = execution_row(1, "0", "0.001", execTime=str(time), seq=seq)
    return row | {"execId": exec_id, **more}


def test_executions_of_one_millisecond_are_in_the_venues_sequence_and_not_in_that_of_ids() -> None:
    market = bybit().markets["BTCUSDT"]
    newest_first = [
        listed("b", 9, 31),
        listed("a", 5, 21),  # of one match: listed later is older
        listed("z", 5, 21),
        listed("f", 5, 20, execType="Funding"),
        listed("c", 5, 20),
        listed("c", 5, 20),  # on two pages
        listed("m", 4, 99),
    ]
    told = in_sequence(market, newest_first)
    assert [fill.fill_id for fill in told] == ["m", "c", "z", "a", "b"]
