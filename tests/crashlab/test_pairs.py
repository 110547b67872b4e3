"""The crash lab of pairs: a short run finds nothing wrong, and it finds a leg left naked."""

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from domain.arbitrage.state import Phase
from domain.arbitrage.view import LegStatus, PairStatus
from domain.money import MarketKind, Price, Quantity
from domain.order_ids import OrderKey, Purpose, encode
from domain.orders import Fill, OrderReport, OrderStatus, Side
from domain.simulation.tape import FundingAnnounced, FundingDue, Quoted, TradePrinted
from tests.crashlab.test_crashlab import done
from workers.cli.crashlab import crashlab
from workers.crashlab.pairs.books import LegBooks, PairBooks
from workers.crashlab.pairs.hand import ExchangeBooks
from workers.crashlab.pairs.moves import INSTRUMENTS, Quotes, Script
from workers.crashlab.pairs.plans import legs_in_turn, pair_rounds
from workers.crashlab.steps import PAIR_STEPS, PAIR_VICTIMS, Runner, Step, Victim

AT = datetime(2026, 1, 1, tzinfo=UTC)
PERPETUAL = INSTRUMENTS[MarketKind.PERPETUAL]
ID = encode(OrderKey("abcdefgh", Purpose.ENTRY_BUY, 0, 1))


def fill(second: int, lots: int) -> Fill:
    """Return the fill of so many signed lots, so many seconds after the beginning."""
    side = Side.BUY if lots > 0 else Side.SELL
    at = AT + timedelta(seconds=second)
    names = f"F{second}{lots}", ID, "O1", PERPETUAL.symbol
    return Fill(*names, side, Price(10_000), Quantity(abs(lots)), Decimal(0), "USDT", False, at)


def leg(number: int, *fills: Fill) -> LegBooks:
    """Return a leg of which the ledger knows what the exchange knows."""
    there = ExchangeBooks(PERPETUAL, (), fills, (), (), Price(10_000), AT)
    spot = replace(there, instrument=replace(PERPETUAL, kind=MarketKind.SPOT))
    empty = LegBooks(number, spot, fills, spot.instrument, Decimal(0), Decimal(0), ())
    return replace(empty, base=empty.held)


def books(first: LegBooks, second: LegBooks, trade: str = "") -> PairBooks:
    """Return the books of a pair that believes what its legs hold."""
    told = (
        LegStatus("a", "x", first.held, Decimal(0), Decimal(0), None, None, None),
        LegStatus("b", "y", second.held, Decimal(0), Decimal(0), None, None, None),
    )
    return PairBooks(
        (first, second),
        PairStatus(Phase.RUNNING, "positive", None, Decimal(0), "", trade, 1, told),
    )


def test_a_pair_that_is_hedged_is_right() -> None:
    assert books(leg(1, fill(1, 300)), leg(2, fill(2, -300))).agree()


def test_a_lot_that_is_not_hedged_is_naked() -> None:
    (what,) = books(leg(1, fill(1, 300)), leg(2, fill(2, -299))).violations()
    assert what == "naked: 0.001 of 0.300 and -0.299 are not hedged"


def test_a_fill_that_the_ledger_does_not_know_is_lost() -> None:
    first = leg(1, fill(1, 300))
    found = books(replace(first, stored=()), leg(2, fill(2, -300))).violations()
    assert found == [f"leg 1: lost fill: 0.300 at 1000.0 of {ID} is not in the ledger"]


def test_an_order_that_rests_while_no_trade_is_in_flight_is_an_orphan() -> None:
    order = OrderReport(ID, "O1", "x", Side.BUY, OrderStatus.OPEN, Quantity(1))
    first = leg(1)
    resting = replace(first, there=replace(first.there, orders=(order,)))
    (what,) = books(resting, leg(2)).violations()
    assert what == f"leg 1: orphan: order {ID} rests, and nobody waits for it"


def test_debts_are_open_from_a_fill_to_the_fill_that_hedges_it() -> None:
    first = leg(1, fill(0, 100), fill(4, 200), fill(20, -300))
    second = leg(2, fill(3, -100), fill(10, -200), fill(20, 300))
    lasted = [each.lasted.total_seconds() for each in books(first, second).debts()]
    assert lasted == [3, 6, 0]
    assert [each.base for each in books(first, second).debts()] == [
        Decimal("0.1"),
        Decimal("0.2"),
        Decimal("0.3"),
    ]


def test_a_market_does_again_what_it_did_before_its_exchange_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "script"
    script = Script(path, MarketKind.PERPETUAL)
    script.open(Decimal(1000))
    script.add(Quotes(9999, 10_001, 5))
    with path.open("ab") as torn:
        torn.write(b'{"at": "2026')  # killed in the middle of a line
    again = Script(path, MarketKind.PERPETUAL)
    seen = []
    while (event := again.peek()) is not None:
        seen.append(event)
        again.take()
    kinds = [Quoted, FundingDue, FundingAnnounced, TradePrinted, Quoted, Quoted]
    assert [type(event) for event in seen] == kinds
    assert again.quoted == Quotes(9999, 10_001, 5)
    assert [event.at for event in seen] == sorted(event.at for event in seen)


def test_every_cell_is_hit_equally_often_and_only_what_rolls_rolls() -> None:
    rounds = pair_rounds(random.Random(1), PAIR_STEPS, PAIR_VICTIMS, 116, 2)
    cells = [cell for some in rounds.values() for cell, kills in some for _ in range(kills)]
    assert len(cells) == 116
    assert {cells.count(cell) for cell in cells} == {2}
    assert (Step.ROLLING, Victim.SIMPLE) not in cells
    simple = {cell for cell, _ in rounds[Runner.SIMPLE]}
    assert not {Step.ROLLING, Step.TRADE_ROLLING} & {step for step, _ in simple}
    assert {victim for _, victim in simple} == {
        Victim.SIMPLE,
        Victim.EXCHANGE_A,
        Victim.EXCHANGE_B,
    }


def test_every_venue_meets_every_other_one() -> None:
    venues = ("binance", "okx", "paper")
    legs = legs_in_turn(venues)
    met = [next(legs) for _ in range(18)]
    assert {(a.venue, b.venue) for a, b in met} == {
        (a, b) for a in venues for b in venues if a != b
    }
    assert {a.kind for a, _ in met} == set(MarketKind)
    assert {b.kind for _, b in met} == {MarketKind.PERPETUAL}


@pytest.mark.parametrize(
    "words, told",
    [
        (["--without-compensation"], "is of --pairs"),
        (["--pairs", "--steps", "signaled"], "--steps must be of starting"),
        (["--steps", "debt"], "--steps must be of before-send"),
        (["--pairs", "--processes", "postgres"], "--processes must be of worker"),
        (["--venues", "paper"], "--venues must be of"),
    ],
)
def test_what_is_of_the_other_lab_is_refused(words: list[str], told: str) -> None:
    outcome = CliRunner().invoke(crashlab, words)
    assert outcome.exit_code == 2
    assert told in outcome.output


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_few_kills_leave_no_pair_naked(tmp_path: Path) -> None:
    code, told, errors = done(
        *("--pairs", "--seed", "4", "--kills", "6", "--round", "2", "--lanes", "2"),
        *("--processes", "worker,exchange-b,simple", "--steps", "debt", "--venues", "okx,bybit"),
        *("--report", str(tmp_path)),
    )
    assert told["violations"] == [], errors
    assert code == 0
    cells = {(cell["step"], cell["process"]): cell["kills"] for cell in told["matrix"]}
    assert cells == {("debt", "worker"): 2, ("debt", "exchange-b"): 2, ("debt", "simple"): 2}
    assert told["fills"] > 6
    assert told["debts"]["worker"]["count"] > 0
    assert "| killed | debts |" in (tmp_path / "crash-lab.md").read_text()
    assert "Crash lab of pairs" in (tmp_path / "crash-lab.svg").read_text()
    assert len(list(tmp_path.iterdir())) == 2  # no system has left anything


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_lab_without_compensation_finds_a_naked_leg() -> None:
    code: int = 0
    told: dict[str, Any] = {}
    for seed in range(3, 11):  # a kill may come when nothing is owed
        code, told, _ = done(
            *("--pairs", "--without-compensation", "--seed", f"{seed}"),
            *("--kills", "4", "--round", "1"),
            *("--lanes", "1", "--processes", "simple", "--steps", "accepted", "--venues", "paper"),
        )
        if code:
            break
    assert code == 1
    assert any("naked: " in each["what"] for each in told["violations"])
