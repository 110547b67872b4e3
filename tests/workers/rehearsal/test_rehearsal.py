"""The market monitor on candles: made ones whose answer is known, and a recorded crash."""

import importlib.util
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import pytest
from click.testing import CliRunner

from domain.errors import InvalidValueError
from domain.grid.spec import GridSpec
from domain.market import Candle
from domain.money import MarketKind, Price, Quantity
from domain.risk.monitor_spec import MonitorSpec
from domain.simulation.tape import CandleClosed
from workers.cli.main import main
from workers.exchange.instruments import instrument_of
from workers.rehearsal.picture import picture
from workers.rehearsal.rehearse import rehearse
from workers.rehearsal.storms import Storm, storms

BTC = instrument_of("BTC/USDT", MarketKind.SPOT)
BEGIN = datetime(2021, 5, 19, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ONE = MonitorSpec(symbols=("BTC/USDT",), window=5)
GRID = GridSpec(symbol="BTC/USDT", interval=Decimal(100), amount=Decimal(100), buy_window=3)
ROOT = Path(__file__).parents[3]


def candle(number: int, close: int, volume: int) -> Candle:
    price = Price(close * 100)
    at = BEGIN + number * MINUTE
    return Candle("BTC/USDT", at, price, price, price, price, Quantity(volume))


def market() -> list[Candle]:
    """Calm for 10 minutes, a fall with ten times the volume, and calm at a higher price."""
    calm = [candle(number, 40_000, 100) for number in range(10)]
    fall = [candle(10, 39_000, 1000)]
    return [*calm, *fall, *(candle(number, 40_000 + number, 100) for number in range(11, 20))]


def closed(candles: Sequence[Candle]) -> list[CandleClosed]:
    return [CandleClosed(each, MINUTE) for each in candles]


def test_a_storm_begins_with_the_fall_and_ends_with_the_first_normal_candle() -> None:
    (found,) = storms(ONE, {"BTC/USDT": market()})

    assert found.began_at == BEGIN + 11 * MINUTE
    assert found.ended_at == BEGIN + 12 * MINUTE
    assert "volume 10.00 x its average" in found.why


def test_a_storm_without_an_end_is_on_until_the_last_candle() -> None:
    (found,) = storms(ONE, {"BTC/USDT": market()[:11]})

    assert found.ended_at is None
    assert found.lasted(BEGIN + 21 * MINUTE) == 10 * MINUTE


def test_a_monitor_of_symbols_without_candles_is_refused() -> None:
    two = MonitorSpec(symbols=("BTC/USDT", "ETH/USDT"), window=5)
    with pytest.raises(InvalidValueError, match="ETH/USDT"):
        storms(two, {"BTC/USDT": market()})


def test_a_storm_cancels_the_entries_and_spares_the_grid_the_fall() -> None:
    """Three entries at 39,900 to 39,700 rest; with the monitor they are gone before the fall."""
    candles = closed(market())
    before = (Storm(BEGIN + 5 * MINUTE, "a test", BEGIN + 15 * MINUTE),)

    found = rehearse(GRID, BTC, candles, before)

    assert found.canceled[0].orders == 3
    assert Decimal(299) < found.canceled[0].notional <= Decimal(300)
    assert found.guarded.fills == 0
    assert found.alone.fills > 0
    assert found.guarded.drawdown == 0 < found.alone.drawdown


def test_storms_outside_the_candles_change_nothing() -> None:
    candles = closed(market())
    elsewhere = (Storm(BEGIN - timedelta(days=1), "yesterday", None),)

    found = rehearse(GRID, BTC, candles, elsewhere)

    assert found.storms == ()
    assert found.guarded == found.alone


def test_no_candles_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="candles"):
        rehearse(GRID, BTC, [], ())


def test_the_picture_shows_every_storm() -> None:
    candles = closed(market())
    found = rehearse(GRID, BTC, candles, storms(ONE, {"BTC/USDT": market()}))

    drawn = picture("a <test>", found)

    assert drawn.count("<rect") == 2  # the paper, and one storm
    assert drawn.count("<polyline") == 3
    assert "a &lt;test&gt;" in drawn


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "docs" / "images" / "crash_days.py"
    spec = importlib.util.spec_from_file_location("crash_days", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["crash_days"] = module
    spec.loader.exec_module(module)
    return module


def test_the_table_in_the_documents_is_what_the_program_says(
    shared_data: Path, script: ModuleType
) -> None:
    if not (shared_data / "ohlcv" / script.PERPETUAL_FILE).is_file():
        pytest.skip(f"recorded candles are not there: {script.PERPETUAL_FILE}")
    case = script.cases()[-1]
    found = script.rehearsed(case)

    told = (ROOT / "docs" / "crash-days.md").read_text()

    assert script.row(case, found) in told
    assert all(line in told for line in script.lines(case, found))


def test_the_command_tells_storms_and_results(shared_data: Path, tmp_path: Path) -> None:
    name = "binance_usdm_BTCUSDT_5m_20240715_20240831.csv.gz"
    spec, drawn = tmp_path / "grid.yaml", tmp_path / "day.svg"
    spec.write_text(
        "symbol: BTC/USDT:USDT\nspacing: geometric\nstep_percent: 0.5\namount: 200\n"
        "buy_window: 20\nsell_window: 20\n"
    )
    asked = [
        "risk",
        "rehearse",
        str(spec),
        "--candles",
        f"BTC/USDT:USDT={shared_data}/ohlcv/{name}",
    ]
    day = ["--from", "2024-08-05", "--to", "2024-08-06", "--data", str(tmp_path)]

    found = CliRunner().invoke(main, [*asked, *day, "--picture", str(drawn), "--json"])

    assert found.exit_code == 0, found.output
    answer = json.loads(found.output)
    assert [storm["canceled_orders"] for storm in answer["storms"]] == [20, 20, 19]
    assert Decimal(answer["with_monitor"]["drawdown"]) < Decimal(answer["without"]["drawdown"])
    assert drawn.read_text().startswith("<svg")


@pytest.mark.parametrize(
    "options, told",
    [
        (["--candles", "nothing"], "SYMBOL=FILE"),
        (["--candles", "BTC/USDT=absent.csv.gz"], "absent.csv.gz"),
    ],
)
def test_wrong_candles_are_told(tmp_path: Path, options: list[str], told: str) -> None:
    spec = tmp_path / "grid.yaml"
    spec.write_text("symbol: BTC/USDT\ninterval: 100\namount: 100\n")

    found = CliRunner().invoke(main, ["risk", "rehearse", str(spec), *options])

    assert found.exit_code != 0
    assert told in found.output + str(found.exception)
