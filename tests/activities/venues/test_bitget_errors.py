"""What Bitget's answers mean to the gateway: its error table, and rows that mislead."""

import gzip
import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson
import pytest

from activities.venues.ccxt.bitget.quirks import Bitget
from activities.venues.ccxt.bitget.talks import AccountNews, Candles, wallet
from activities.venues.ccxt.bitget.words import Words
from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import Meaning, Reply
from domain.errors import (
    AuthenticationError,
    ClockSkewError,
    RateLimitedError,
    VenueError,
)
from domain.market import Balance, Position
from domain.money import MarketKind, Price, Quantity
from domain.orders import OrderReport, OrderStatus, RefusalReason
from tests.contract.bench import PERPETUAL, SPOT

FUTURES_MARKET = Market("BTCUSDT", PERPETUAL, Decimal("0.001"))
SPOT_MARKET = Market("BTCUSDT", SPOT, Decimal("0.001"))
ID = "q12345678b000000001000000zz"


def reply(status: int, body: str) -> Reply:
    return Reply(status, {}, body, orjson.loads(body))


def body(code: str, message: str = "words") -> str:
    return json.dumps({"code": code, "msg": message, "requestTime": 1, "data": None})


def test_the_recorded_refusal_of_a_batch_is_invalid(shared_data: Path) -> None:
    with gzip.open(shared_data / "messages" / "rest_errors.jsonl.gz", "rt") as lines:
        rows = [row for row in map(json.loads, lines) if row["venue"].startswith("bitget")]
    assert len(rows) == 1
    verdict = Bitget(MarketKind.PERPETUAL).verdict(reply(400, rows[0]["body"]))
    assert verdict is not None
    assert (verdict.code, verdict.meaning) == ("40017", Meaning.INVALID)
    assert "Number of orders" in verdict.message


@pytest.mark.parametrize("kind", list(MarketKind))
@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "code, meaning",
    [
        ("40786", Meaning.DUPLICATE),
        ("43118", Meaning.DUPLICATE),
        ("40762", Meaning.INSUFFICIENT_FUNDS),
        ("43012", Meaning.INSUFFICIENT_FUNDS),
        ("429", Meaning.RATE_LIMITED),
        ("40015", Meaning.UNKNOWN),
        ("40010", Meaning.UNKNOWN),
        ("40725", Meaning.UNKNOWN),
        ("40200", Meaning.UNAVAILABLE),
        ("40768", Meaning.NOT_FOUND),
        ("40109", Meaning.NOT_FOUND),
        ("43001", Meaning.NOT_FOUND),
        ("45110", Meaning.INVALID),
        ("40808", Meaning.INVALID),
        ("22002", Meaning.REDUCE_ONLY),
        ("40006", Meaning.AUTHENTICATION),
        ("40009", Meaning.AUTHENTICATION),
        ("40012", Meaning.AUTHENTICATION),
        ("40008", Meaning.CLOCK),
    ],
)
def test_a_code_means_the_same_whatever_the_status(
    kind: MarketKind, status: int, code: str, meaning: Meaning
) -> None:
    verdict = Bitget(kind).verdict(reply(status, body(code)))
    assert verdict is not None
    assert (verdict.code, verdict.meaning) == (code, meaning)


def test_success_is_no_error_and_an_unlisted_code_in_a_good_answer_is_unknown() -> None:
    quirks = Bitget(MarketKind.SPOT)
    assert quirks.verdict(reply(200, body("00000", "success"))) is None
    verdict = quirks.verdict(reply(200, body("99999")))
    assert verdict is not None
    assert verdict.meaning is Meaning.UNKNOWN


def test_one_code_is_told_by_its_words() -> None:
    quirks = Bitget(MarketKind.SPOT)
    for message, meaning in (
        ("client_oid duplicate", Meaning.DUPLICATE),
        ("Parameter verification is abnormal", Meaning.INVALID),
    ):
        verdict = quirks.verdict(reply(400, body("40708", message)))
        assert verdict is not None
        assert verdict.meaning is meaning


@pytest.mark.parametrize(
    "code, error",
    [
        (30005, AuthenticationError),
        ("30015", AuthenticationError),
        (30014, ClockSkewError),
        (30006, RateLimitedError),
        (30001, VenueError),
    ],
)
def test_an_error_event_on_a_socket_raises(code: Any, error: type[Exception]) -> None:
    talk = AccountNews(Bitget(MarketKind.PERPETUAL))
    with pytest.raises(error, match="words"):
        list(talk.read({"event": "error", "code": code, "msg": "words"}))
    assert list(talk.read("pong")) == []


def row(**more: Any) -> Mapping[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "orderId": "7",
        "clientOid": ID,
        "price": "990",
        "size": "0.010",
        "baseVolume": "0",
        "orderType": "limit",
        "side": "buy",
        "status": "canceled",
        "cTime": "1700000000000",
        "uTime": "1700000000003",
        **more,
    }


def reason(words: Words, market: Market, **more: Any) -> RefusalReason | None:
    return words.order(market, row(**more)).reason


def test_a_post_only_order_that_ended_at_once_would_have_crossed() -> None:
    words = Words(perpetual=True)
    crossed = RefusalReason.WOULD_CROSS
    assert reason(words, FUTURES_MARKET, force="post_only") is crossed
    assert reason(words, FUTURES_MARKET, force="gtc") is None
    assert reason(words, FUTURES_MARKET, force="post_only", cancelReason="stp_cancel") is None
    assert reason(words, FUTURES_MARKET, force="post_only", uTime="1700000002000") is None
    assert reason(words, FUTURES_MARKET, force="post_only", baseVolume="0.001") is None
    words.canceled.add(ID)
    assert reason(words, FUTURES_MARKET, force="post_only") is None


def test_spot_does_not_list_what_was_post_only_so_it_is_remembered() -> None:
    words = Words(perpetual=False)
    assert reason(words, SPOT_MARKET, status="cancelled") is None
    words.post_only.add(ID)
    assert reason(words, SPOT_MARKET, status="cancelled") is RefusalReason.WOULD_CROSS


def test_spots_open_orders_have_their_price_as_an_average() -> None:
    told = {**row(status="live"), "priceAvg": "990.0000000000000000"}
    told.pop("price")
    report = Words(perpetual=False).order(SPOT_MARKET, told)
    assert (report.price, report.status) == (Price(9900), OrderStatus.OPEN)


def test_a_strangers_market_buy_on_spot_has_a_cost_for_a_size() -> None:
    told = row(orderType="market", size="12.345678", price="0", baseVolume="0.012", status="filled")
    report = Words(perpetual=False).order(SPOT_MARKET, told)
    assert (report.quantity, report.filled, report.price) == (Quantity(12), Quantity(12), None)


def test_the_size_of_a_spot_order_in_a_stream_is_its_worth() -> None:
    told = {**row(status="live"), "size": "9.9", "newSize": "0.010", "accBaseVolume": "0"}
    assert Words(perpetual=False).told(SPOT_MARKET, told).quantity == Quantity(10)


def test_a_cancel_repeats_the_last_execution_and_that_is_none() -> None:
    told = row(
        accBaseVolume="0.004",
        tradeId="9",
        baseVolume="0.004",
        fillPrice="990",
        fillFee="-0.000792",
        fillFeeCoin="USDT",
        fillTime="1700000000001",
        tradeScope="M",
    )
    words = Words(perpetual=True)
    assert words.told(FUTURES_MARKET, told).fill is None
    fill = words.told(FUTURES_MARKET, {**told, "status": "partially_filled"}).fill
    assert fill is not None
    assert (fill.fill_id, fill.fee, fill.maker) == ("9", Decimal("0.000792"), True)


def test_a_fee_paid_in_the_venues_own_coin_is_that_coin() -> None:
    told = {
        "tradeId": "9",
        "orderId": "7",
        "side": "sell",
        "priceAvg": "990",
        "size": "0.010",
        "tradeScope": "taker",
        "cTime": "1700000000000",
        "feeDetail": {
            "deduction": "yes",
            "feeCoin": "BGB",
            "totalDeductionFee": "-0.02",
            "totalFee": "-0.01",
        },
    }
    fill = Words(perpetual=False).fill(SPOT_MARKET, told)
    assert (fill.fee, fill.fee_asset, fill.maker) == (Decimal("0.02"), "BGB", False)


def test_a_wallet_is_its_equity_without_what_positions_would_gain() -> None:
    told = {
        "marginCoin": "USDT",
        "accountEquity": "103",
        "unrealizedPL": "3",
        "available": "100",
        "crossedMaxAvailable": "80",
    }
    assert wallet(told) == Balance("USDT", Decimal(100), Decimal(20))
    told["crossedMaxAvailable"] = "101"  # a gain can be traded with
    assert wallet(told) == Balance("USDT", Decimal(100), Decimal(0))


def pushed(channel: str, data: list[Any], **more: Any) -> dict[str, Any]:
    arg = {"instType": "USDT-FUTURES", "channel": channel, "instId": "default", **more}
    return {"action": "snapshot", "arg": arg, "data": data}


def test_a_position_that_is_no_longer_told_is_flat() -> None:
    quirks = Bitget(MarketKind.PERPETUAL)
    quirks.markets["BTCUSDT"] = FUTURES_MARKET
    talk = AccountNews(quirks)
    held = {"instId": "BTCUSDT", "holdSide": "short", "total": "0.010", "openPriceAvg": "990"}
    (short,) = talk.read(pushed("positions", [held]))
    assert isinstance(short, Position)
    assert (short.lots, short.cost) == (-10, -10 * 9900)
    (flat,) = talk.read(pushed("positions", []))
    assert flat == Position(PERPETUAL.symbol, 0, 0)
    assert list(talk.read(pushed("positions", []))) == []


def test_a_stream_of_the_other_kind_of_market_is_not_ours() -> None:
    quirks = Bitget(MarketKind.SPOT)
    quirks.markets["BTCUSDT"] = SPOT_MARKET
    told = {**row(status="live"), "instId": "BTCUSDT", "accBaseVolume": "0", "newSize": "0.010"}
    assert list(AccountNews(quirks).read(pushed("orders", [told]))) == []
    (report,) = AccountNews(quirks).read(pushed("orders", [told], instType="SPOT"))
    assert isinstance(report, OrderReport)
    assert report.client_id == ID


def test_a_candle_is_closed_when_the_next_one_begins() -> None:
    quirks = Bitget(MarketKind.PERPETUAL)
    quirks.markets["BTCUSDT"] = FUTURES_MARKET
    talk = Candles(quirks, FUTURES_MARKET, timedelta(minutes=1))

    def bar(minute: int, close: str) -> list[str]:
        return [str(minute * 60_000), "990", "1000", "980", close, "0.010", "9.9", "9.9"]

    def read(*bars: list[str]) -> list[tuple[int, bool]]:
        told = talk.read(pushed("candle1m", list(bars), instId="BTCUSDT"))
        return [(each.close.ticks, each.closed) for each in told]

    assert read(bar(1, "990"), bar(2, "991")) == [(9910, False)]
    assert read(bar(2, "992")) == [(9920, False)]
    assert read(bar(2, "993"), bar(3, "994")) == [(9930, False), (9930, True), (9940, False)]
    assert read(bar(2, "995")) == []


def test_a_position_of_an_unknown_side_is_an_error_and_not_flat() -> None:
    quirks = Bitget(MarketKind.PERPETUAL)
    quirks.markets["BTCUSDT"] = FUTURES_MARKET
    held = {"instId": "BTCUSDT", "holdSide": "net", "total": "0.010", "openPriceAvg": "990"}
    with pytest.raises(VenueError, match="holdSide"):
        list(AccountNews(quirks).read(pushed("positions", [held])))
