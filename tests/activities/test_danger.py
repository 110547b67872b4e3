"""Danger makes runs leave: each once, with why, and what is unknown makes nobody leave."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from activities.account import AccountDesk
from activities.danger import DangerWatch
from activities.exits import Exits
from activities.risk import RiskDesk
from activities.store.records import Run
from domain.accounting import VenueView
from domain.errors import InvalidValueError, VenueUnavailableError
from domain.market import Position
from domain.money import Price
from domain.order_ids import run_tag
from domain.risk.breaker_spec import BreakerSpec
from domain.risk.emergency import EmergencySpec
from domain.risk.leaving import Phase
from domain.risk.scope import Scope, ScopeKind
from domain.risk.spec import RiskSpec
from domain.risk.way_out import Debt
from tests.activities.wire import ACCOUNT, INSTRUMENT, START, SYMBOL, Desk, desk_at

OTHER = "ETH/USDT:USDT"
SPEC = RiskSpec(
    breaker=BreakerSpec(drawdown_percent=None, stale_feed_after=60),
    emergency=EmergencySpec(enabled=True, drawdown_percent=Decimal(20)),
)
WHOLE = Scope(ScopeKind.ACCOUNT, ACCOUNT)


class Dangerous:
    """A venue that tells a liquidation price and a health, where it can be asked at all."""

    def __init__(self, desk: Desk) -> None:
        self._venue = desk.wire
        self.held: dict[str, Position] = {}
        self.told: Decimal | None = None
        self.down = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._venue, name)

    async def positions(self, symbol: str) -> Sequence[Position]:
        if self.down:
            raise VenueUnavailableError("the venue is down")
        return [self.held[symbol]] if symbol in self.held else []

    async def health(self) -> Decimal | None:
        return self.told


@dataclass
class Scene:
    """An account with two runs, and who looks out for it."""

    desk: Desk
    venue: Dangerous
    risk: RiskDesk
    exits: Exits
    watch: DangerWatch

    async def look(self) -> dict[str, str]:
        """Look once, and return why runs leave."""
        await self.watch.look(["a run", "another"])
        asked = await self.exits.of(["a run", "another"])
        return {name: way.why for name, way in asked.items()}

    async def phase(self, scope: Scope) -> str:
        return (await self.risk.known([scope])).breakers[scope].phase


@pytest.fixture(name="scene")
async def _scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with desk_at(tmp_path / "ledger.db") as desk:
        opening = VenueView(Decimal(100_000), Decimal(0))
        other = replace(INSTRUMENT, symbol=OTHER, base="ETH")
        tag = run_tag("another")
        await desk.ledger.open_run(
            Run("another", tag, "grid", ACCOUNT, "paper", OTHER, {}, other, START, opening)
        )
        venue = Dangerous(desk)
        risk = RiskDesk(desk.ledger, SPEC, desk.clock)
        watch = DangerWatch(ACCOUNT, venue, desk.ledger, risk, desk.clock)
        yield Scene(desk, venue, risk, Exits(desk.ledger, risk, desk.clock), watch)


def position(symbol: str, lots: int, mark: int = 1000, liquidation: int = 1) -> Position:
    return Position(symbol, lots, 0, mark=Price(mark), liquidation=Price(liquidation))


async def test_near_liquidation_the_runs_on_that_symbol_leave_once(scene: Scene) -> None:
    scene.venue.held = {SYMBOL: position(SYMBOL, 5, liquidation=900), OTHER: position(OTHER, 5)}
    assert await scene.look() == {}  # at the limit
    scene.venue.held[SYMBOL] = position(SYMBOL, 5, liquidation=901)
    asked = await scene.look()
    assert list(asked) == ["a run"]
    assert "0.0990 of its price away from liquidation" in asked["a run"]
    scene.desk.clock.passes(10)
    assert await scene.look() == asked
    assert await scene.phase(Scope(ScopeKind.RUN, "a run")) == "open"
    assert await scene.phase(WHOLE) == "closed"
    trail = await scene.desk.ledger.audit_trail("a run")
    assert [(each.command, each.who) for each in trail] == [
        ("exit asked", "danger watch"),
        ("breaker open", "danger watch"),
    ]


async def test_a_sick_account_leaves_by_its_largest_run_and_then_altogether(scene: Scene) -> None:
    scene.venue.held = {SYMBOL: position(SYMBOL, 5), OTHER: position(OTHER, 6)}
    scene.venue.told = Decimal("0.7")
    assert await scene.look() == {}
    scene.venue.told = Decimal("0.69")
    assert list(await scene.look()) == ["another"]
    assert await scene.phase(WHOLE) == "open"
    scene.venue.told = Decimal("0.49")
    assert sorted(await scene.look()) == ["a run", "another"]


async def test_a_deep_fall_from_the_peak_makes_all_runs_leave(scene: Scene) -> None:
    books = AccountDesk(ACCOUNT, scene.desk.wire, scene.desk.ledger, scene.desk.clock, scene.risk)
    run = await scene.desk.ledger.run("a run")
    assert run is not None
    account = await scene.desk.ledger.account_of_run("a run")
    asked = await scene.look()
    assert asked == {}  # nothing is known of its equity
    for brought in (10_000, -10_000, -12_001):
        moved = replace(account, funding=Decimal(brought))
        await books._notices.books(run, moved, Price(60_000))
        asked = await scene.look()
    assert sorted(asked) == ["a run", "another"]
    assert "fell by 20.0009 %, the limit is 20 %" in asked["a run"]


async def test_what_cannot_be_found_out_starts_nothing_and_halts_in_the_end(scene: Scene) -> None:
    scene.venue.held = {SYMBOL: position(SYMBOL, 5, liquidation=999)}
    scene.venue.down = True
    assert await scene.look() == {}
    scene.desk.clock.passes(61)
    assert await scene.look() == {}
    stands = await scene.risk.standings(ACCOUNT, ["a run"])
    assert stands["a run"].halted
    assert "the positions of account alice" in stands["a run"].why
    scene.venue.down = False
    assert list(await scene.look()) == ["a run"]


async def test_a_run_that_has_ended_is_not_looked_at(scene: Scene) -> None:
    scene.venue.held = {SYMBOL: position(SYMBOL, 5, liquidation=999)}
    await scene.desk.ledger.close_run("a run", scene.desk.clock())
    assert await scene.look() == {}


async def test_to_ask_again_is_the_same_way_out_until_it_has_ended(scene: Scene) -> None:
    run = await scene.desk.ledger.run("a run")
    assert run is not None
    with pytest.raises(InvalidValueError, match="a reason, for the audit log"):
        await scene.exits.ask(run, "ann", "")
    first = await scene.exits.ask(run, "ann", "news")
    assert await scene.exits.ask(run, "bob", "other news") == first
    debt = Debt(Phase.FLAT, Decimal(0), None, 1)
    await scene.exits.note(first, debt)
    assert (await scene.exits.of(["a run"]))["a run"].debt == debt
    await scene.exits.end(first, debt)
    await scene.exits.end(first, debt)
    again = await scene.exits.ask(run, "bob", "other news")
    assert (first.number, again.number, again.who) == (1, 2, "bob")
    commands = [each.command for each in await scene.desk.ledger.audit_trail("a run")]
    assert commands.count("exit ended") == 1
    assert commands.count("exit asked") == 2
