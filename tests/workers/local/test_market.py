"""A data directory keeps the market it began with, unless another is asked for."""

from decimal import Decimal
from pathlib import Path

import pytest

from domain.errors import InvalidValueError
from workers.local.market import live_market_of, market_of


def test_without_a_word_the_market_is_made() -> None:
    market = market_of(None, None, None, None, Decimal(10))
    assert (market.symbol, market.kind, market.seed) == ("BTC/USDT:USDT", "perpetual", 1)
    assert market.arguments()[-2:] == ["--seed", "1"]


def test_the_market_of_the_last_time_goes_on_and_only_the_speed_may_change() -> None:
    before = {"symbol": "ETH/USDT", "kind": "spot", "tape": "/t", "seed": 3, "speed": "2.5"}
    market = market_of(before, None, None, None, Decimal(10))
    assert (market.symbol, market.tape, market.speed) == ("ETH/USDT", "/t", Decimal("2.5"))
    assert market_of(before, None, None, Decimal(7)).speed == 7
    assert market_of(before, None, 4, None).tape is None


@pytest.mark.parametrize(
    "name,symbol,kind",
    [
        ("binance_usdm_BTCUSDT_trades_20240808.csv.gz", "BTC/USDT:USDT", "perpetual"),
        ("binance_spot_ADAUSDT_1m_20210420_20210520.csv.gz", "ADA/USDT", "spot"),
        ("bybit_perp_BTCUSDT_1m_20221213.csv.gz", "BTC/USDT:USDT", "perpetual"),
    ],
)
def test_a_tape_tells_its_market_by_its_name(
    tmp_path: Path, name: str, symbol: str, kind: str
) -> None:
    (tmp_path / name).write_bytes(b"")
    market = market_of(None, tmp_path / name, None, None)
    assert (market.symbol, market.kind) == (symbol, kind)
    words = market.arguments()
    assert words[2:] == [
        *("--symbol", symbol, "--market", kind),
        *("--tape", str(tmp_path / name), "--loop"),
    ]


def test_a_tape_that_does_not_tell_its_market_or_is_not_there_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.csv.gz").write_bytes(b"")
    with pytest.raises(InvalidValueError, match="rename it"):
        market_of(None, tmp_path / "mine.csv.gz", None, None)
    with pytest.raises(InvalidValueError, match="must be a file"):
        market_of(None, tmp_path / "none.csv.gz", None, None)


def test_a_live_market_is_asked_for_kept_and_last_of_all_a_setting() -> None:
    asked = live_market_of(None, "okx", ("ETH/USDT", "BTC/USDT"), "binance")
    assert asked is not None
    assert (asked.symbol, asked.kind) == ("ETH/USDT", "spot")
    assert asked.arguments() == ["--feed", "okx", "--symbols", "ETH/USDT,BTC/USDT"]
    kept = live_market_of({"feed": "okx", "symbols": ["ETH/USDT"]}, None, (), "binance")
    assert kept is not None
    assert (kept.feed, kept.symbols) == ("okx", ("ETH/USDT",))
    usual = live_market_of(None, None, (), "binance")
    assert usual is not None
    assert (usual.feed, usual.symbols, usual.kind) == ("binance", ("BTC/USDT:USDT",), "perpetual")


def test_a_made_market_that_runs_stays_one_and_symbols_need_a_feed() -> None:
    assert live_market_of({"symbol": "BTC/USDT:USDT"}, None, (), "binance") is None
    assert live_market_of(None, None, (), None) is None
    with pytest.raises(InvalidValueError, match="--symbol belongs to --feed"):
        live_market_of(None, None, ("BTC/USDT",), None)
