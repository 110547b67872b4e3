"""What OKX's answers mean to the gateway: recorded ones, its table, and its rows of a stream."""

import gzip
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import Meaning, Reply, Verdict
from activities.venues.ccxt.okx.codes import CODES
from activities.venues.ccxt.okx.quirks import Okx
from activities.venues.ccxt.okx.talks import PrivateNews
from activities.venues.ccxt.okx.words import pages
from activities.venues.ccxt.quirks import from_ms
from domain.errors import AuthenticationError, ClockSkewError, VenueError
from domain.money import Instrument, MarketKind, Price, Quantity
from domain.orders import OrderReport, OrderStatus, RefusalReason, Side

RECORDED = {
    "51000": Meaning.INVALID,
    "51603": Meaning.NOT_FOUND,
    "50011": Meaning.RATE_LIMITED,
}
#: The codes of exchanges.md, section 4.
NAMED = {
    "51016": Meaning.DUPLICATE,
    "51008": Meaning.INSUFFICIENT_FUNDS,
    "50011": Meaning.RATE_LIMITED,
    "50061": Meaning.RATE_LIMITED,
    "50004": Meaning.UNKNOWN,
    "50013": Meaning.UNAVAILABLE,
    "50026": Meaning.UNAVAILABLE,
    "51400": Meaning.NOT_FOUND,
    "51401": Meaning.NOT_FOUND,
    "51402": Meaning.NOT_FOUND,
    "51603": Meaning.NOT_FOUND,
    "51020": Meaning.INVALID,
    "51121": Meaning.INVALID,
    "51006": Meaning.INVALID,
    "51169": Meaning.REDUCE_ONLY,
    "50111": Meaning.AUTHENTICATION,
    "50113": Meaning.AUTHENTICATION,
    "50105": Meaning.AUTHENTICATION,
    "50102": Meaning.CLOCK,
}
SWAP = Market(
    "BTC-USDT-SWAP",
    Instrument(
        symbol="BTC/USDT:USDT",
        kind=MarketKind.PERPETUAL,
        base="BTC",
        quote="USDT",
        tick_size=Decimal("0.1"),
        lot_size=Decimal("0.0001"),
        min_quantity=Quantity(1),
        min_notional=Decimal(0),
        maker_fee=Decimal("0.0002"),
        taker_fee=Decimal("0.0005"),
        contract_size=Decimal("0.01"),
    ),
    Decimal("0.01"),
)


def okx(kind: MarketKind = MarketKind.PERPETUAL) -> Okx:
    quirks = Okx(kind)
    quirks.markets[SWAP.id] = SWAP
    return quirks


def verdict(body: Any, status: int = 200) -> Verdict | None:
    text = orjson.dumps(body).decode()
    return okx().verdict(Reply(status, {}, text, body))


def of_order(code: str) -> Mapping[str, Any]:
    row = {"clOrdId": "a1", "ordId": "", "sCode": code, "sMsg": "no", "tag": ""}
    return {"code": "1", "data": [row], "msg": "All operations failed"}


def stored(shared_data: Path, name: str) -> list[dict[str, Any]]:
    with gzip.open(shared_data / "messages" / name, "rt") as lines:
        return [json.loads(line) for line in lines]


# ---- errors


def test_recorded_errors_mean_what_they_say_whatever_their_http_status(shared_data: Path) -> None:
    seen = set()
    for row in stored(shared_data, "rest_errors.jsonl.gz"):
        if row["venue"] == "okx_v5":
            judged = verdict(json.loads(row["body"]), row["http_status"] or 400)
            assert judged is not None, row
            assert judged.meaning is RECORDED[judged.code], row
            seen.add(judged.code)
    assert seen == RECORDED.keys()


@pytest.mark.parametrize("code", list(NAMED))
def test_a_code_means_the_same_in_a_row_and_at_the_top(code: str) -> None:
    assert CODES[code] is NAMED[code]
    for body in (of_order(code), {"code": code, "data": [], "msg": "no"}):
        judged = verdict(body)
        assert judged is not None
        assert (judged.code, judged.meaning) == (code, NAMED[code])


def test_a_code_may_be_a_number() -> None:
    judged = verdict({"code": 50011, "msg": "Requests too frequent."}, 429)
    assert judged is not None
    assert (judged.meaning, judged.retry_after) == (Meaning.RATE_LIMITED, timedelta(seconds=1))


def test_an_error_hides_in_a_row_of_an_answer_that_calls_itself_good() -> None:
    judged = verdict({**of_order("51008"), "code": "0", "msg": ""})
    assert judged is not None
    assert judged.meaning is Meaning.INSUFFICIENT_FUNDS
    assert verdict({"code": "0", "data": [{"sCode": "0", "ordId": "1"}], "msg": ""}) is None
    assert verdict({"code": "0", "data": [], "msg": ""}) is None


def test_what_the_desk_says_is_definite_and_what_nobody_knows_is_not() -> None:
    for code, meaning in (
        ("51999", Meaning.REFUSED),
        ("59000", Meaning.REFUSED),
        ("50999", Meaning.UNKNOWN),
        ("5199", Meaning.UNKNOWN),
        ("1", Meaning.UNKNOWN),
    ):
        judged = verdict({"code": code, "data": [], "msg": "no"})
        assert judged is not None
        assert judged.meaning is meaning, code


def test_an_answer_of_another_form_is_no_good_answer() -> None:
    bodies: list[Any] = [[], {}, {"status": "ok"}, "text", 7]
    for body in bodies:
        judged = verdict(body)
        assert judged is not None
        assert judged.meaning is Meaning.UNKNOWN, body


@pytest.mark.parametrize(
    "message, error",
    [
        ({"event": "error", "code": "60005", "msg": "Invalid apiKey"}, AuthenticationError),
        ({"event": "login", "code": "60009", "msg": "Login failed"}, AuthenticationError),
        ({"event": "error", "code": "60006", "msg": "Timestamp expired"}, ClockSkewError),
        ({"event": "error", "code": "60018", "msg": "channel doesn't exist"}, VenueError),
        ({"event": "error", "code": "69999", "msg": "something new"}, VenueError),
        ({"event": "error"}, VenueError),
    ],
)
def test_an_error_on_a_socket_that_stays_open_is_raised(
    message: Mapping[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        list(PrivateNews(okx()).read(message))


# ---- requests


class FakeClient:
    """A client whose clock stands still, and which signs nothing."""

    def nonce(self) -> int:
        return 1_700_000_000_000

    def sign(self, path: str, api: Any, method: str, params: Any) -> dict[str, Any]:
        return {"url": path, "headers": {}}


def test_orders_carry_the_deadline_that_the_arrival_limit_relies_on() -> None:
    client = FakeClient()
    okx().adopt(client)
    deadline = str(client.nonce() + Okx.window // timedelta(milliseconds=1))
    for path in ("trade/order", "trade/batch-orders"):
        assert client.sign(path, ["private"], "POST", {})["headers"] == {"expTime": deadline}
    for path, method in (("trade/order", "GET"), ("trade/cancel-order", "POST")):
        assert client.sign(path, ["private"], method, {})["headers"] == {}


async def test_a_full_page_is_followed_by_the_rows_before_its_last() -> None:
    asked = []

    async def ask(params: Mapping[str, Any]) -> list[dict[str, Any]]:
        asked.append(params)
        newest = int(params.get("after", 231)) - 1
        return [{"ordId": str(number)} for number in range(newest, max(newest - 100, 0), -1)]

    rows = await pages(ask, {"instId": "X"}, "ordId")
    assert [int(row["ordId"]) for row in rows] == list(range(230, 0, -1))
    assert [params.get("after") for params in asked] == [None, "131", "31"]


# ---- rows


def test_recorded_orders_of_the_stream_are_read_exactly(shared_data: Path) -> None:
    rows = [row for row in stored(shared_data, "user_stream.jsonl.gz") if row["venue"] == "okx"]
    pushed = [row["payload"] for row in rows if row["kind"] == "ws orders"]
    (report,) = list(PrivateNews(okx()).read(pushed[0]))
    assert isinstance(report, OrderReport)
    assert (report.order_id, report.client_id) == ("2497956918703120384", "001BTCUSDT20250106001")
    assert (report.status, report.side, report.price) == (OrderStatus.FILLED, Side.BUY, None)
    assert (report.quantity, report.filled) == (Quantity(3), Quantity(3))
    assert report.fill is None  # without the fee of this execution the list has to be asked


ROW = {
    "accFillSz": "0.02",
    "cancelSource": "",
    "clOrdId": "a1",
    "execType": "M",
    "feeCcy": "USDT",
    "fillFee": "-0.5",
    "fillFeeCcy": "USDT",
    "fillPx": "100000.1",
    "fillSz": "0.02",
    "fillTime": "1746947317402",
    "instId": "BTC-USDT-SWAP",
    "ordId": "77",
    "px": "100000.1",
    "reduceOnly": "false",
    "side": "sell",
    "state": "partially_filled",
    "sz": "0.03",
    "tgtCcy": "",
    "tradeId": "9",
    "uTime": "1746947317403",
}


def told(news: PrivateNews, **changed: str) -> OrderReport:
    message = {"arg": {"channel": "orders", "instType": "SWAP"}, "data": [{**ROW, **changed}]}
    (report,) = list(news.read(message))
    assert isinstance(report, OrderReport)
    return report


def test_an_execution_is_told_once_though_later_rows_repeat_it() -> None:
    news = PrivateNews(okx())
    first = told(news)
    assert first.fill is not None
    assert (first.fill.fill_id, first.fill.maker) == ("9", True)
    assert (first.fill.fee, first.fill.fee_asset) == (Decimal("0.5"), "USDT")
    assert (first.fill.price, first.fill.quantity) == (Price(1_000_001), Quantity(2))
    assert first.fill.at == from_ms(1746947317402)
    assert told(news).fill is None
    second = told(news, tradeId="10", fillSz="0.01", accFillSz="0.03", state="filled")
    assert second.fill is not None
    assert (second.fill.fill_id, second.status) == ("10", OrderStatus.FILLED)
    assert told(PrivateNews(okx()), state="canceled").fill is None


def test_a_post_only_order_that_was_accepted_and_canceled_says_why() -> None:
    nothing = {"accFillSz": "0", "fillSz": "0", "tradeId": "", "fillPx": "", "state": "canceled"}
    crossed = told(PrivateNews(okx()), cancelSource="31", **nothing)
    assert (crossed.status, crossed.reason) == (OrderStatus.CANCELED, RefusalReason.WOULD_CROSS)
    assert told(PrivateNews(okx()), cancelSource="1", **nothing).reason is None


def test_markets_of_the_other_kind_are_passed_over() -> None:
    message = {"arg": {"channel": "orders"}, "data": [{**ROW, "instId": "BTC-USDT"}]}
    assert list(PrivateNews(okx()).read(message)) == []
    assert list(PrivateNews(okx()).read("pong")) == []
