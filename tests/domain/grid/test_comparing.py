"""What a grid makes of a position that is not as believed: nothing hasty, and nothing by halves."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.accounting import fold
from domain.correction import Correction, spread
from domain.grid.comparing import is_in_doubt
from domain.grid.events import (
    Alert,
    Cancel,
    Correct,
    Corrected,
    GridAction,
    LookUp,
    Place,
    Reported,
    Resync,
    Resynced,
    StopAsked,
    TellDivergence,
    TimePassed,
)
from domain.grid.spec import StopMode
from domain.money import EXACT, Price, Quantity, add
from domain.orders import Fill, Side
from domain.risk.belief import belief
from domain.risk.divergence import PositionShown
from tests.domain.grid.harness import (
    PERPETUAL,
    SPOT,
    T0,
    D,
    Runner,
    configured,
    earned,
    held,
)

MARK = Price(9_900)


def holding(**fields: Any) -> Runner:
    """Return a long grid that has bought three times 100 lots or a little more."""
    run = Runner(configured(**fields))
    for ticks in (9_900, 9_800, 9_700):
        run.fills(Side.BUY, ticks)
    return run


def look(
    run: Runner, lots: int, *, asked: float = 0, at: float = 0, fills: int = 0, **shown: Any
) -> Resynced:
    """Return a look that shows a position off by *lots*; *fills* came since it was asked for."""
    instrument = run.state.config.instrument
    apart = EXACT.multiply(D(lots), instrument.lot_size)
    position = PositionShown(add(run.venue.base, apart), **shown)
    return Resynced(
        tuple(order.report() for order in run.venue.orders.values()),
        T0 + timedelta(seconds=at),
        position,
        MARK,
        asked_at=T0 + timedelta(seconds=asked),
        fills=run.state.totals.fills - fills,
    )


def looks(run: Runner, lots: int, *times: float, **shown: Any) -> list[GridAction]:
    """Look at these seconds, and return what came of the last look."""
    done: tuple[GridAction, ...] = ()
    for seconds in times:
        done = run.decide(look(run, lots, asked=seconds, at=seconds, **shown))
    return list(done)


def of(actions: list[GridAction], *kinds: type) -> list[Any]:
    return [action for action in actions if isinstance(action, kinds)]


def judged(actions: list[GridAction]) -> list[str]:
    return [type(action).__name__ for action in of(actions, Correct, TellDivergence)]


# --- when nothing is done


def test_what_agrees_is_no_doubt() -> None:
    run = holding()
    assert looks(run, 0, 0, 3) == []
    assert run.state.doubt is None


@pytest.mark.parametrize("lots", [-3, -300, -601])
def test_one_look_is_never_enough(lots: int) -> None:
    run = holding()
    assert looks(run, lots, 0) == []
    assert is_in_doubt(run.state)
    assert looks(run, 0, 3) == []
    assert run.state.doubt is None
    assert looks(run, lots, 6) == []


def test_two_looks_at_once_are_one() -> None:
    run = holding()
    assert looks(run, -3, 0, 1.9) == []
    assert judged(looks(run, -3, 2)) == ["Correct"]


def test_a_doubt_asks_for_another_look_until_it_is_settled() -> None:
    run = holding()
    looks(run, -300, 0)
    assert of(list(run.decide(TimePassed(T0))), Resync)
    looks(run, -300, 3)
    assert not is_in_doubt(run.state)  # it is certain now: the next look is when one is due
    assert not of(list(run.decide(TimePassed(T0))), Resync)


def test_a_fill_that_raced_the_look_makes_it_worthless() -> None:
    run = holding()
    for seconds in (0, 3, 6):
        assert run.decide(look(run, -101, asked=seconds, fills=1)) == ()
    assert run.state.doubt is None


def test_a_fill_between_two_looks_makes_the_second_one_the_first() -> None:
    run = holding()
    looks(run, -101, 0)
    run.fills(Side.SELL, 10_000, 1)
    assert looks(run, -101, 3) == []
    assert judged(looks(run, -101, 6)) == ["TellDivergence"]


def test_two_different_divergences_confirm_nothing() -> None:
    run = holding()
    assert looks(run, -3, 0) == []
    assert looks(run, -4, 3) == []
    assert looks(run, -3, 6) == []


def test_nothing_is_judged_while_an_order_is_missing() -> None:
    run = holding()
    some = list(run.venue.working())
    del run.venue.orders[some[0].request.client_id]
    for seconds in (0, 3):
        actions = list(run.decide(look(run, -300, asked=seconds)))
        assert judged(actions) == []
        assert of(actions, LookUp)


def test_nothing_is_judged_while_the_run_closes() -> None:
    run = holding()
    for order in run.venue.working():
        run.tell(Reported(run.venue.cancel(order.request.client_id) or order.report()))
    run.decide(StopAsked(StopMode.CLOSE, T0))
    run.decide(TimePassed(T0))
    assert run.state.closing is not None
    assert judged(looks(run, -300, 0, 3)) == []


def test_no_data_is_not_zero() -> None:
    run = holding()
    silent = replace(look(run, 0), position=None)
    assert [run.decide(replace(silent, asked_at=T0 + timedelta(seconds=s))) for s in (0, 3)] == [
        (),
        (),
    ]
    nobody_knows = PositionShown(D(0), others=None, shared=True)
    for seconds in (0, 3):
        asked = T0 + timedelta(seconds=seconds)
        assert run.decide(replace(silent, position=nobody_knows, asked_at=asked)) == ()


# --- what is severe


@pytest.mark.parametrize("lots,wrong_side", [(-16, False), (17, False), (-320, True)])
def test_what_is_severe_is_told_at_every_look_and_to_people_once(
    lots: int, *, wrong_side: bool
) -> None:
    run = holding()
    first = looks(run, lots, 0, 3)
    (told,) = of(first, TellDivergence)
    assert (told.severe, told.wrong_side) == (True, wrong_side)
    assert [str(alert.level) for alert in of(first, Alert)] == ["critical"]
    again = looks(run, lots, 60)
    assert judged(again) == ["TellDivergence"]
    assert of(again, Alert) == []
    assert not of(first, Cancel, Place), "exits stay; the breaker sees to the entries"


# --- corrections


@pytest.mark.parametrize("lots", [-15, -3, -1, 1, 3, 15])
def test_a_small_divergence_is_corrected_once_and_exits_are_for_what_is_there(lots: int) -> None:
    run = holding()
    before, worth = run.state.position_lots, earned(run.state, MARK.ticks)
    (action,) = of(looks(run, lots, 0, 3), Correct)
    assert (action.lots, action.price) == (lots, MARK)
    assert run.state.position_lots == before, "nothing changes before the ledger has it"
    run.tell(Corrected(action.lots, action.price, action.at))
    assert run.state.position_lots == before + lots
    assert earned(run.state, MARK.ticks) == worth, "at its price it neither wins nor loses"
    exits = [order for order in run.venue.working() if order.request.side is Side.SELL]
    assert sum(order.leaves for order in exits) == before + lots
    assert run.tell(Corrected(action.lots, action.price, action.at)) == []
    run.venue.base = held(run.state)
    assert looks(run, 0, 60) == []


def test_a_correction_that_was_decided_is_asked_for_again_and_not_decided_anew() -> None:
    run = holding()
    (action,) = of(looks(run, -3, 0, 3), Correct)
    for seconds in (60, 63):  # the process died before it heard that it was done
        assert looks(run, -7, seconds) == [action]
    run.tell(Corrected(action.lots, action.price, action.at))
    assert run.state.correcting is None


def test_corrections_of_a_silent_market_have_names_of_their_own() -> None:
    run = holding()
    names = set()
    for asked in (0, 10, 20):
        run.decide(look(run, -1, asked=asked, at=0))
        done = list(run.decide(look(run, -1, asked=asked + 3, at=0)))
        (action,) = of(done, Correct)
        names.add(action.at)
        run.tell(Corrected(action.lots, action.price, action.at))
        run.venue.base = held(run.state)
    assert len(names) == 3


def test_what_differs_where_others_trade_too_is_told_once_and_corrected_never() -> None:
    run = holding(shared=True)
    told = looks(run, 3, 0, 3, shared=True)
    assert [(each.severe) for each in of(told, TellDivergence)] == [False]
    run.fills(Side.SELL, 10_000, 1)
    assert looks(run, 3, 60, 63, shared=True) == []
    assert looks(run, 3, 70, 73, shared=True, others=D("0.003")) == []
    assert run.state.doubt is None
    assert judged(looks(run, 80, 80, 83, shared=True)) == ["TellDivergence"]


def test_what_the_owner_of_a_spot_account_has_besides_is_his() -> None:
    run = holding(instrument=SPOT)
    assert judged(looks(run, 500, 0, 3, others=None)) == []
    assert judged(looks(run, 500, 6, 9, others=D("0.5"))) == []
    (told,) = of(looks(run, 300, 12, 15, others=D("0.5")), TellDivergence)
    assert not told.severe  # he took some of it away
    assert judged(looks(run, -3, 18, 21, others=D("0.5"))) == ["Correct"]
    assert judged(looks(holding(instrument=SPOT), -150, 0, 3, others=D("0.5"))) == [
        "TellDivergence"
    ]


def test_a_residue_is_corrected_too() -> None:
    run = holding()
    for order in run.venue.working():
        run.tell(Reported(run.venue.cancel(order.request.client_id) or order.report()))
    run.state = replace(
        run.state, correcting=Correct(-5, MARK, T0, "why"), synced=False, feed_live=True
    )
    run.decide(StopAsked(StopMode.CLOSE, T0))
    lots = run.state.position_lots
    run.decide(Corrected(-5, MARK, T0))
    assert run.state.position_lots == lots - 5


# --- the engine and the ledger do the same


@given(
    st.dictionaries(st.integers(1, 50), st.integers(-100, 100), max_size=6),
    st.integers(-50, 50).filter(bool),
)
def test_a_correction_is_spread_without_remainder(lots_held: dict[int, int], lots: int) -> None:
    changes = spread(lots_held, lots)
    assert sum(changes.values()) == lots
    assert all(changes.values())
    net = sum(lots_held.values())
    for key, change in changes.items():
        if key and change * (1 if net >= 0 else -1) < 0:
            assert abs(change) <= abs(lots_held[key])


@pytest.mark.parametrize("lots", [-3, 5, -130])
@pytest.mark.parametrize("instrument", [PERPETUAL, SPOT], ids=lambda each: each.kind)
def test_the_ledger_spreads_a_correction_as_the_engine_does(lots: int, instrument: Any) -> None:
    run = holding(instrument=instrument)
    fills = [
        Fill(
            order.order_id,
            order.request.client_id,
            order.order_id,
            instrument.symbol,
            order.request.side,
            order.request.price or Price(1),
            Quantity(order.filled),
            next(iter(order.fees.values())),
            next(iter(order.fees)),
            maker=True,
            at=T0,
        )
        for order in run.venue.orders.values()
        if order.filled
    ]
    run.state = replace(run.state, correcting=Correct(lots, MARK, T0, "why"))
    run.decide(Corrected(lots, MARK, T0))
    account = fold(instrument, fills, corrections=[Correction(lots, MARK, T0)])
    assert account.base == belief(run.state).held
    assert account.grid_profit == run.state.totals.grid_profit
    assert {key: slot.holding for key, slot in account.slots.items() if not slot.holding.flat} == {
        key: slot.holding for key, slot in run.state.slots.items() if not slot.holding.flat
    }
    gone = instrument.notional_of(-lots * MARK.ticks) if instrument is SPOT else Decimal(0)
    assert account.transferred(Price(12_345)) == gone
