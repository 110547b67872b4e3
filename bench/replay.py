"""How fast recorded and made-up markets are played, and that skipping what is quiet is exact."""

import gc
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench import markets
from bench.naive import Naive
from bench.report import Row
from domain.grid.config import bind
from domain.grid.events import Cancel, Place
from domain.grid.spec import parse_spec
from domain.grid.state import GridState, begin
from domain.money import Instrument
from domain.orders import Fill
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from domain.simulation.tape import MarketEvent
from workers.backtest import play
from workers.exchange.tapes import read_tape

_DATA: Final = Path(__file__).parents[2] / "shared" / "data"
#: Tape, the spec played on it, the first and last event of it (the crash day is 2021-05-19).
_TAPES: Final[Sequence[tuple[str, str, dict[str, Any], slice]]] = (
    (
        "trades of a perpetual",
        "trades/binance_usdm_BTCUSDT_trades_20240808.csv.gz",
        {"symbol": "BTC/USDT:USDT", "interval": "30", "amount": "1000", "buy_window": 10},
        slice(None),
    ),
    (
        "minutes of a crash day",
        "ohlcv/binance_spot_BTCUSDT_1m_20210420_20210520.csv.gz",
        {"symbol": "BTC/USDT", "interval": "250", "amount": "100", "buy_window": 10},
        slice(-2 * 24 * 60, None),
    ),
)
_NEVER: Final = markets.BEGAN.replace(year=1970)


def run(*, quick: bool) -> list[Row]:
    """Play every tape and the walk, skipping what is quiet and not; the fills must be the same."""
    rows: list[Row] = []
    for name, file, fields, chosen in _TAPES:
        if (_DATA / file).is_file():
            rows += _recorded(name, _DATA / file, fields, chosen, rounds=3 if quick else 5)
        else:
            print(f"replay: {file} is not there, it is left out")
    return rows + _walk(300_000 if quick else 2_000_000, rounds=3 if quick else 5)


def _recorded(
    name: str, path: Path, fields: dict[str, Any], chosen: slice, *, rounds: int
) -> list[Row]:
    tape = read_tape(path, str(fields["symbol"]), None)
    first, *rest = tape.events[chosen]
    rules = ExchangeRules((tape.instrument,), {markets.ACCOUNT: _rich(tape.instrument)})
    config = bind(parse_spec(fields | {"account": markets.ACCOUNT}), tape.instrument)

    def fresh() -> tuple[SimulatedExchange, GridState]:
        simulated = SimulatedExchange(rules, first.at)
        simulated.on(first)
        return simulated, begin(config, markets.TAG)

    return _compare(name, fresh, rest, rounds)


def _rich(instrument: Instrument) -> dict[str, Any]:
    return {instrument.quote: markets.RICH}


def _walk(count: int, *, rounds: int) -> list[Row]:
    gc.disable()  # millions of small objects that all stay: nothing to collect
    tape = markets.trades(markets.walk(count))
    gc.freeze()
    gc.enable()

    def fresh() -> tuple[SimulatedExchange, GridState]:
        return markets.exchange(), markets.grid()

    return _compare(f"walk of {count:,} ticks", fresh, tape, rounds, naive_part=count // 10)


def _compare(
    name: str,
    fresh: Callable[[], tuple[SimulatedExchange, GridState]],
    tape: Sequence[MarketEvent],
    rounds: int,
    naive_part: int | None = None,
) -> list[Row]:
    """Play *tape* both ways in turn. The slow way gets a part of it; that part must be equal."""
    part = tape if naive_part is None else tape[:naive_part]
    fast: list[float] = []
    slow: list[float] = []
    bare: list[float] = []
    for _ in range(rounds):
        simulated, state = fresh()
        fast.append(_seconds(play, simulated, markets.ACCOUNT, state, tape))
        simulated, state = fresh()
        slow.append(_seconds(Naive(simulated, markets.ACCOUNT, state).run, part) / len(part))
        simulated, _ = fresh()
        bare.append(_seconds(_feed, simulated, tape))
    simulated, state = fresh()
    played = play(simulated, markets.ACCOUNT, state, tape)
    _must_equal(name, fresh, part)
    quick = median(fast)
    note = f"{len(tape):,} events, {len(played.fills)} fills, {played.looks} looked at"
    rows = [
        Row("replay", f"{name}: skipping", len(tape) / quick, "events/s", note=note),
        Row("replay", f"{name}: looking at all", 1 / median(slow), "events/s", note="same fills"),
        Row("replay", f"{name}: exchange alone", len(tape) / median(bare), "events/s"),
        Row("replay", f"{name}: all over exchange alone", quick / median(bare), "x"),
    ]
    if naive_part is not None:
        per_fill = len(played.actions) / max(len(played.fills), 1)
        rows += [
            Row("replay", f"{name}: per tick, all in", quick / len(tape) * 1e9, "ns"),
            Row("replay", f"{name}: of it the exchange", median(bare) / len(tape) * 1e9, "ns"),
            Row("replay", f"{name}: order actions per fill", per_fill, "actions", 2.5),
        ]
    return rows


def _must_equal(
    name: str,
    fresh: Callable[[], tuple[SimulatedExchange, GridState]],
    tape: Sequence[MarketEvent],
) -> None:
    simulated, state = fresh()
    played = play(simulated, markets.ACCOUNT, state, tape)
    naive = Naive(*_at(fresh))
    naive.run(tape)
    fills: Sequence[Fill] = naive.exchange.fills_since(markets.ACCOUNT, state.config.symbol, _NEVER)
    orders = [action for action in played.actions if isinstance(action, Place | Cancel)]
    if list(fills) != list(played.fills) or naive.actions != orders:
        raise AssertionError(f"{name}: skipping quiet ticks changed what was done")
    if naive.state != played.state:
        raise AssertionError(f"{name}: skipping quiet ticks changed the state")


def _at(
    fresh: Callable[[], tuple[SimulatedExchange, GridState]],
) -> tuple[SimulatedExchange, str, GridState]:
    simulated, state = fresh()
    return simulated, markets.ACCOUNT, state


def _feed(simulated: SimulatedExchange, tape: Sequence[MarketEvent]) -> None:
    for event in tape:
        simulated.on(event)


def _seconds(work: Callable[..., object], *arguments: object) -> float:
    began = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - began
