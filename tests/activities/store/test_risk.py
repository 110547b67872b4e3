"""What risk knows, in both databases: it outlives processes, and changes come one after another."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from activities.risk import RiskDesk
from activities.store.ledger import Ledger
from domain.errors import InvalidValueError
from domain.risk.breaker import Phase
from domain.risk.breaker_events import RefusedForFunds
from domain.risk.breaker_spec import BreakerSpec
from domain.risk.limits import Limits, LimitsSpec, Reservation
from domain.risk.monitor import Verdict
from domain.risk.monitor_spec import MonitorSpec
from domain.risk.scope import OVERALL, Scope, ScopeKind
from domain.risk.spec import RiskSpec

NOW = datetime(2026, 1, 1, tzinfo=UTC)
RUN, ACCOUNT = "btc", "main"
SCOPES = [OVERALL, Scope(ScopeKind.ACCOUNT, ACCOUNT), Scope(ScopeKind.RUN, RUN)]
WATCHED = RiskSpec(monitor=MonitorSpec(symbols=("BTC/USDT",), stale_after=30))


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture(name="clock")
def _clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("scope", SCOPES, ids=str)
async def test_a_trip_is_there_for_every_other_process_and_after_all_of_them(
    url: str, clock: Clock, scope: Scope
) -> None:
    async with Ledger.open(url) as ledger, Ledger.open(url) as elsewhere:
        other = RiskDesk(elsewhere, clock=clock)
        assert not (await other.standing(RUN, ACCOUNT)).halted
        await RiskDesk(ledger, clock=clock).trip(scope, "ann", "news at two")
        assert (await other.standing(RUN, ACCOUNT)).halted
    async with Ledger.open(url) as later:
        clock.passes(30 * 24 * 3600)
        desk = RiskDesk(later, clock=clock)
        stands = await desk.standing(RUN, ACCOUNT)
        assert (stands.halted, stands.scope) == (True, scope)
        assert "2026-01-01 00:00:00 by ann: news at two" in stands.why
        told = await desk.standings(ACCOUNT, [RUN, "another"])
        assert told[RUN].halted
        assert told["another"].halted == (scope.kind is not ScopeKind.RUN)


async def test_a_reset_is_recorded_with_who_and_why_and_a_trigger_after_it_works(
    url: str, clock: Clock
) -> None:
    spec = RiskSpec(breaker=BreakerSpec(refusals=3))
    async with Ledger.open(url) as ledger:
        desk = RiskDesk(ledger, spec, clock)
        run = Scope(ScopeKind.RUN, RUN)
        await desk.trip(run, "ann", "news")
        await desk.tell([run], *[RefusedForFunds(NOW)] * 2)
        await desk.reset(run, "bob", "all is well")
        assert not (await desk.standing(RUN, ACCOUNT)).halted
        await desk.tell([run], RefusedForFunds(NOW))
        assert not (await desk.standing(RUN, ACCOUNT)).halted  # those of before are forgotten
        await desk.tell([run], RefusedForFunds(NOW), RefusedForFunds(NOW, "no money"))
        stands = await desk.standing(RUN, ACCOUNT)
        assert "refused for insufficient funds: no money" in stands.why
        third, second, first = await ledger.audit_trail(RUN)
        assert (first.who, first.why, first.command) == ("ann", "news", "breaker open")
        assert (second.who, second.why, second.command) == ("bob", "all is well", "breaker closed")
        assert second.before == {"scope": "run btc", "phase": "open"}
        assert second.after == {"scope": "run btc", "phase": "closed", "cause": "manual"}
        assert (third.who, third.after["cause"]) == ("breaker", "refusals")  # type: ignore[index]
        assert third.after["numbers"] == {"refusals": "3"}  # type: ignore[index]


async def test_a_command_that_changes_nothing_is_recorded_too(url: str, clock: Clock) -> None:
    async with Ledger.open(url) as ledger:
        await RiskDesk(ledger, clock=clock).reset(OVERALL, "ann", "to be sure")
        (entry,) = await ledger.audit_trail()
        assert (entry.who, entry.why) == ("ann", "to be sure")


async def test_nobody_moves_a_breaker_without_a_reason(url: str, clock: Clock) -> None:
    async with Ledger.open(url) as ledger:
        desk = RiskDesk(ledger, clock=clock)
        with pytest.raises(InvalidValueError, match="why"):
            await desk.trip(OVERALL, "ann", " ")
        assert not (await desk.standing(RUN, ACCOUNT)).halted


async def test_two_processes_that_trip_and_reset_at_once_lose_no_move(
    url: str, clock: Clock
) -> None:
    async def move(desk: RiskDesk, who: str) -> None:
        for number in range(10):
            await desk.trip(OVERALL, who, f"trip {number}")
            await desk.reset(OVERALL, who, f"reset {number}")

    async with Ledger.open(url) as one, Ledger.open(url) as two:
        first, second = RiskDesk(one, clock=clock), RiskDesk(two, clock=clock)
        await asyncio.gather(move(first, "ann"), move(second, "bob"))
        entries = (await one.audit_trail())[::-1]
        assert len(entries) == 40
        phases = [(e.before["phase"], e.after["phase"]) for e in entries]  # type: ignore[index]
        assert [before for before, _ in phases[1:]] == [after for _, after in phases[:-1]]
        (last,) = (await second.known([OVERALL])).breakers.values()
        assert last.phase is Phase(phases[-1][1])
        for who in ("ann", "bob"):
            own = [e.why for e in entries if e.who == who]
            assert own == [f"{verb} {n}" for n in range(10) for verb in ("trip", "reset")]


async def test_nothing_is_read_again_until_something_changes(url: str, clock: Clock) -> None:
    async with Ledger.open(url) as ledger:
        desk = RiskDesk(ledger, clock=clock)
        first = await desk.known(SCOPES)
        assert await desk.known(SCOPES) is first
        await desk.trip(Scope(ScopeKind.RUN, "some other run"), "ann", "news")
        assert await desk.known(SCOPES) is not first


async def test_of_two_who_want_the_one_trial_one_gets_it(url: str, clock: Clock) -> None:
    spec = RiskSpec(breaker=BreakerSpec(refusals=1, cooldown=60))
    async with Ledger.open(url) as one, Ledger.open(url) as two:
        desks = RiskDesk(one, spec, clock), RiskDesk(two, spec, clock)
        await desks[0].tell([OVERALL], RefusedForFunds(NOW))
        clock.passes(61)
        (told,) = (await desks[1].standings(ACCOUNT, [RUN])).values()
        assert (told.halted, told.trial) == (False, True)
        taken = await asyncio.gather(*(desk.begin_trial(RUN, ACCOUNT) for desk in desks))
        assert sorted(taken) == [False, True]
        assert (await desks[0].standing(RUN, ACCOUNT)).halted
        # An engine that heard it is halted would cancel the very order.
        (told,) = (await desks[0].standings(ACCOUNT, [RUN])).values()
        assert not told.halted


async def test_a_monitor_that_is_set_up_halts_until_it_speaks_and_when_it_falls_silent(
    url: str, clock: Clock
) -> None:
    async with Ledger.open(url) as ledger:
        desk = RiskDesk(ledger, WATCHED, clock)
        assert "has not spoken" in (await desk.standing(RUN, ACCOUNT)).why
        await desk.speak(Verdict(halted=False, why="calm", at=clock()))
        assert not (await desk.standing(RUN, ACCOUNT)).halted
        clock.passes(31)
        assert "silent since" in (await desk.standing(RUN, ACCOUNT)).why
        await desk.speak(Verdict(halted=True, why="a storm", at=clock(), storm=True))
        assert (await desk.standing(RUN, ACCOUNT)).why == "a storm"
        assert not (await RiskDesk(ledger, clock=clock).standing(RUN, ACCOUNT)).halted
        storm, calm = await ledger.audit_trail()
        assert (calm.why, storm.why, storm.who) == ("calm", "a storm", "guard")


def _asks(run_id: str, exposure: int) -> Reservation:
    return Reservation(
        run_id,
        ACCOUNT,
        "BTC/USDT",
        "USDT",
        position=Decimal(exposure),
        exposure=Decimal(exposure),
        largest_order=Decimal(10),
        orders=3,
    )


async def test_of_two_runs_that_want_the_last_room_at_once_one_is_admitted(
    url: str, clock: Clock
) -> None:
    spec = RiskSpec(limits=LimitsSpec(accounts={ACCOUNT: Limits(exposure=Decimal(1000))}))
    async with Ledger.open(url) as one, Ledger.open(url) as two:
        desks = RiskDesk(one, spec, clock), RiskDesk(two, spec, clock)

        async def asked() -> Sequence[str | None]:
            asks = (_asks("a", 600), _asks("b", 600))
            return await asyncio.gather(*(d.admit(a) for d, a in zip(desks, asks, strict=True)))

        answers = await asked()
        (why,) = [answer for answer in answers if answer]
        assert "exposure is limited to 1000 USDT, 600 are taken by" in why
        assert [bool(answer) for answer in await asked()] == [bool(answer) for answer in answers]
        winner, loser = ("a", "b") if answers[0] is None else ("b", "a")
        await desks[1].release(winner)
        assert await desks[0].admit(_asks(loser, 600)) is None
