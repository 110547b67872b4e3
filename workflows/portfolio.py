"""A portfolio of pairs as a Temporal workflow: look, scan, weigh, and change one pair at a time.

All decisions are `domain.arbitrage.portfolio` and `relief`, which goes before all others. It works
on the services queue and needs no keys: a scan is of what anybody may see, accounts are looked at
by their own workers, and each pair is a run of its own (`workflows.arbitrage`), which goes on
whatever becomes of this one.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import ClassVar, Final

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from activities.portfolio_messages import (
    AccountLookInput,
    PortfolioTold,
    SurveyInput,
)
from domain.arbitrage.portfolio import (
    Told,
    admitted,
    advised,
    begin_pair,
    equity_of,
    growing,
    looked_at,
    scored,
    shrinking,
    spec_of,
    told_of,
)
from domain.arbitrage.portfolio_change import check_change, differences, reconfigured
from domain.arbitrage.portfolio_spec import PortfolioSpec
from domain.arbitrage.portfolio_state import AccountLook, Easing, Held, PortfolioState, Survey
from domain.arbitrage.rebalance import Change, Kind
from domain.arbitrage.relief import Relief, burdened, margin_news, margins, reliefs
from domain.arbitrage.state import Phase
from domain.errors import InvalidValueError
from domain.grid.events import Alert, AlertLevel
from domain.money import EXACT
from workflows import names, portfolio_calls
from workflows.canceling import uncanceled
from workflows.length import is_long
from workflows.messages import Command
from workflows.portfolio_messages import (
    PortfolioInput,
    PortfolioPreview,
    PortfolioResult,
    PortfolioStatus,
    ReconfigurePortfolio,
    details,
    status_of,
)
from workflows.portfolio_pairs import Pairs

#: As many events as a history has before the portfolio goes on in a new workflow.
ROLL_AT: Final = 1000
#: While a pair is being closed it is looked at so often.
_CLOSING: Final = timedelta(seconds=3)
_SOONEST: Final = timedelta(milliseconds=50)


@workflow.defn(name=names.PORTFOLIO_RUN)
class PortfolioRun:
    """One portfolio from start to stop, through any number of workflows of one chain."""

    roll_at: ClassVar[int] = ROLL_AT

    @workflow.init
    def __init__(self, start: PortfolioInput) -> None:
        self._name = workflow.info().workflow_id
        self._spec = start.spec
        #: Settings that a person wants; they are followed from the next look on.
        self._wanted: PortfolioSpec | None = None
        self._state = start.state or PortfolioState()
        self._pairs = Pairs(self._name)
        self._told: str | None = None
        #: A person has said something: what is waited for may have changed.
        self._woken = False
        #: When the accounts that pairs need margin of are looked at again.
        self._strained_at: datetime | None = None

    @workflow.run
    async def run(self, start: PortfolioInput) -> PortfolioResult:
        """Run until stopped. A canceled workflow closes all its pairs before it ends."""
        if start.state is None:
            await self._say("start", start.by, start.why)
        self._show()
        loop = asyncio.create_task(self._loop())
        if await uncanceled(loop, lambda: self._go(Phase.STOPPING)):
            workflow.continue_as_new(PortfolioInput(self._spec, self._state))
        await workflow.wait_condition(workflow.all_handlers_finished)
        return PortfolioResult(self._state.turns, self._state.begun)

    async def _loop(self) -> bool:
        """Look and scan until the portfolio is over (False) or should go on elsewhere (True)."""
        while True:
            self._woken = False
            await self._adopt()
            await self._look_at_pairs()
            if self._phase is Phase.STOPPING:
                if not self._state.held:
                    self._go(Phase.ENDED)
                    self._show()
                    return False
                await self._close_all()
            else:
                await self._look_at_margins()
                if self._is_due() and not self._is_stopping():
                    await self._turn()
            self._show()
            rolls = is_long(self.roll_at) and self._wanted is None
            if rolls and workflow.all_handlers_finished():
                return True
            await self._wait()

    async def _wait(self) -> None:
        pause = timedelta(seconds=self._spec.look_every)
        stopping = self._phase is Phase.STOPPING
        if self._state.leaving or stopping:
            pause = min(pause, _CLOSING)
        if self._state.due_at is not None and not stopping:  # who stops scans no more
            pause = max(min(pause, self._state.due_at - workflow.now()), _SOONEST)
        try:
            await workflow.wait_condition(lambda: self._woken, timeout=pause)
        except TimeoutError:
            return

    def _is_due(self) -> bool:
        due = self._state.due_at
        return due is None or due <= workflow.now()

    def _follows(self) -> bool:
        """Return whether what a scan advised by these settings is still wanted."""
        return self._phase is Phase.RUNNING and self._wanted is None

    def _is_stopping(self) -> bool:
        return self._phase is Phase.STOPPING

    # --- the pairs ---------------------------------------------------------------------------

    async def _look_at_pairs(self) -> None:
        run_ids = [held.run_id for held in self._state.held]
        if not run_ids:
            return
        left = self._state.leaving
        looks = await portfolio_calls.look_at_pairs(run_ids)
        self._state, told = looked_at(self._spec, self._state, looks, workflow.now())
        if left and not self._state.leaving and self._phase is Phase.RUNNING:
            self._state = replace(self._state, due_at=None)  # there is room now
        for each in told:
            await self._pairs.note(each)

    async def _close_all(self) -> None:
        for held in self._state.held:
            if not held.leaving:
                await self._close(held, "the portfolio is stopped")

    async def _close(self, held: Held, why: str, relief: Relief | None = None) -> None:
        """Ask for the end of a pair; it is forgotten when that is done (flaw P-2)."""
        told = _told(held, "remove", why, relief)
        if await self._pairs.close(told, str(self._state.turns)):  # else again after the next look
            easing = Easing(Decimal(0), self._patience())
            leaving = replace(held, leaving=True, asked=True, easing=easing)
            self._state = self._state.with_pair(leaving)

    # --- relief ------------------------------------------------------------------------------

    async def _look_at_margins(self) -> None:
        """Look at the accounts whose margin the pairs need, and relieve those that need it."""
        now, accounts = workflow.now(), burdened(self._state)
        if not accounts:
            self._state = replace(self._state, margins={})
            return
        if self._strained_at is not None and now < self._strained_at and not self._is_due():
            return
        self._strained_at = now + timedelta(seconds=self._spec.look_every)
        await self._relieve(await self._look_at_accounts(accounts))

    async def _relieve(self, looks: Mapping[str, AccountLook]) -> None:
        """Let pairs give back where an account uses too much margin: nothing holds that back."""
        before, now = self._state.margins, workflow.now()
        self._state = replace(self._state, margins=margins(self._spec, self._state, looks, now))
        for news in margin_news(self._spec, before, self._state.margins):
            alerts = (Alert(AlertLevel.WARNING, news.why),) if news.alarming else ()
            await self._say(news.what, "", news.why, *alerts)
        for relief in reliefs(self._spec, self._state, looks.values(), now):
            if self._phase is not Phase.RUNNING:
                return
            await self._ease(relief)

    async def _ease(self, relief: Relief) -> None:
        why = f"{told_of(relief.change)}: {relief.why}"
        if relief.change.kind is Kind.REMOVE:
            await self._close(relief.held, why, relief)
            return
        await self._change(relief.held, relief.change, relief)

    def _number(self) -> str:
        """Return the number of a change, of which a pair may be told several between two scans."""
        count = self._state.asked + 1
        self._state = replace(self._state, asked=count)
        return f"{self._state.turns}-{count}"

    def _patience(self) -> datetime:
        return workflow.now() + self._spec.margin.patience

    # --- a turn ------------------------------------------------------------------------------

    async def _turn(self) -> None:
        """Scan, and carry out what that advises."""
        await self._retell()
        now = workflow.now()
        turns = self._state.turns + 1
        self._state = replace(self._state, turns=turns, due_at=now + self._spec.pause)
        found = await portfolio_calls.survey(self._asked())
        if found.survey is None:
            failed = found.failed
            why = f"{failed.venue}: {failed.why}" if failed else "there is no answer"
            await self._fail(why)
            return
        looks = await self._look_at_accounts(self._spec.counted)
        equity = equity_of(self._spec, looks)
        state = scored(self._state, found.survey)
        self._state = replace(state, scanned_at=found.survey.at, equity=equity)
        if equity is None or equity <= 0:
            await self._fail(f"the equity is {'not known' if equity is None else equity}")
            return
        plan = advised(self._spec, self._state, found.survey, equity)
        self._state = replace(self._state, failed="", advised=plan, held_back=())
        if self._follows():
            await self._shrink(shrinking(self._spec, self._state, found.survey, equity))
            await self._grow(found.survey, equity)

    async def _retell(self) -> None:
        """Tell the pairs what was written for them since they were told last."""
        for held in self._state.held:
            if held.outdated and not held.leaving and self._follows():
                told = Told(held.run_id, "retell", "its portfolio was reconfigured")
                if await self._pairs.change(told, spec_of(self._spec, held), self._number()):
                    self._state = self._state.with_pair(replace(held, outdated=False))

    def _asked(self) -> SurveyInput:
        spec = self._spec
        held = tuple(each.pair for each in self._state.held)
        return SurveyInput(spec.accounts, spec.universe, spec.quote, held=held)

    async def _fail(self, why: str) -> None:
        """Let nothing follow (flaw P-3); it is told when it begins, and not each time."""
        news = not self._state.failed
        self._state = replace(self._state, failed=why, advised=(), held_back=())
        if news:
            alert = Alert(AlertLevel.WARNING, f"nothing follows from the scan: {why}")
            await self._say("scan failed", "", why, alert)

    async def _look_at_accounts(self, accounts: Sequence[str]) -> Mapping[str, AccountLook]:
        rate = self._spec.margin.maintenance_rate
        asked = [AccountLookInput(name, self._spec.quote, rate) for name in accounts]
        looks = await asyncio.gather(*map(portfolio_calls.look_at_account, asked))
        return {look.account: look for look in looks if look is not None}

    async def _shrink(self, changes: Sequence[Change]) -> None:
        for change in changes[: self._spec.most_changes]:
            held = self._state.of(change.pair)
            if held is None or not self._follows():
                continue
            if change.kind is Kind.REMOVE:
                await self._close(held, told_of(change))
            else:
                await self._change(held, change)

    async def _grow(self, survey: Survey, equity: Decimal) -> None:
        """Take on more, as far as the margin allows by a look at the accounts as they are now."""
        if not growing(self._spec, self._state, survey, equity):
            return
        looks = await self._look_at_accounts(self._spec.accounts)
        await self._relieve(looks)
        changes = growing(self._spec, self._state, survey, equity)
        now = workflow.now()
        found = admitted(self._spec, self._state, survey, changes, looks, now)
        room = max(self._spec.most_changes - self._shrunk(), 0)
        told = [f"{told_of(change)}: {why} margin" for change, why in found.held_back]
        told += [f"{told_of(change)}: in the next turn" for change in found.changes[room:]]
        self._state = replace(self._state, held_back=tuple(told))
        for change in found.changes[:room]:
            if not self._follows():
                return
            await self._take_on(survey, change)

    def _shrunk(self) -> int:
        return sum(not change.kind.expands for change in self._state.advised)

    async def _take_on(self, survey: Survey, change: Change) -> None:
        held, offer = self._state.of(change.pair), survey.offer(change.pair)
        if held is not None:
            await self._change(held, change)
        elif offer is not None:
            score = survey.score(change.pair)
            state, held = begin_pair(self._name, self._state, offer, change.target, score)
            self._state = state
            await self._pairs.note(Told(held.run_id, "add", told_of(change)))
            await self._pairs.begin(held, spec_of(self._spec, held))

    async def _change(self, held: Held, change: Change, relief: Relief | None = None) -> None:
        """Let a pair have another amount."""
        why = told_of(change) if relief is None else f"{told_of(change)}: {relief.why}"
        share = EXACT.divide(change.target, change.current) if relief is None else relief.share
        changed = held.given(change.target, share, self._patience())
        told = _told(held, change.kind.name.lower(), why, relief)
        if await self._pairs.change(told, spec_of(self._spec, changed), self._number()):
            self._state = self._state.with_pair(changed)

    # --- what people say and hear ------------------------------------------------------------

    @workflow.update
    async def pause(self, command: Command) -> PortfolioStatus:
        """Change nothing until `resume`; it goes on looking."""
        return await self._commanded("pause", Phase.PAUSED, command)

    @pause.validator
    def _check_pause(self, command: Command) -> None:  # noqa: ARG002 - as the update
        self._require("pause", Phase.RUNNING)

    @workflow.update
    async def resume(self, command: Command) -> PortfolioStatus:
        """Follow the scans again, from a fresh one on."""
        self._state = replace(self._state, due_at=None)
        return await self._commanded("resume", Phase.RUNNING, command)

    @resume.validator
    def _check_resume(self, command: Command) -> None:  # noqa: ARG002 - as the update
        self._require("resume", Phase.PAUSED)

    @workflow.update
    async def stop(self, command: Command) -> PortfolioStatus:
        """Close all pairs, and end when nothing of them is left."""
        return await self._commanded("stop", Phase.STOPPING, command)

    @stop.validator
    def _check_stop(self, command: Command) -> None:  # noqa: ARG002 - as the update
        self._require("stop", Phase.RUNNING, Phase.PAUSED)

    @workflow.update
    async def reconfigure(self, command: ReconfigurePortfolio) -> PortfolioStatus:
        """Follow other settings, from a fresh scan on."""
        changes = differences(self._wanted or self._spec, command.spec)
        self._wanted = command.spec  # before the first await, as in `_commanded`
        self._woken = True
        before = {each.field: each.before for each in changes}
        after = {each.field: each.after for each in changes}
        told = PortfolioTold(
            self._name, "reconfigure", command.by or self._name, command.why, (), after, before
        )
        await portfolio_calls.tell(told)
        return self.status()

    @reconfigure.validator
    def _check_reconfigure(self, command: ReconfigurePortfolio) -> None:
        self._require("reconfigure", Phase.RUNNING, Phase.PAUSED)
        refused = self._refusal(command.spec)
        if refused:
            raise ApplicationError(refused, type="InvalidValueError")

    def _refusal(self, spec: PortfolioSpec) -> str:
        try:
            check_change(self._state, self._spec, spec)
        except InvalidValueError as error:
            return str(error)
        return ""

    async def _adopt(self) -> None:
        """Follow the settings that were asked for. A pair that was begun since may need others."""
        wanted, self._wanted = self._wanted, None
        if wanted is None:
            return
        refused = self._refusal(wanted)
        if refused:
            alert = Alert(AlertLevel.ERROR, f"it goes on with its old settings: {refused}")
            await self._say("refused", "", f"reconfigure: {refused}", alert)
            return
        self._state = reconfigured(self._state, self._spec, wanted)
        self._spec = wanted

    async def _commanded(self, did: str, phase: Phase, command: Command) -> PortfolioStatus:
        self._go(phase)  # before the first await: the loop looks at it between two changes
        await self._say(did, command.by, command.why)
        return self.status()

    def _require(self, what: str, *phases: Phase) -> None:
        if self._phase not in phases:
            told = f"cannot {what}: the portfolio is {self._phase}"
            raise ApplicationError(told, type="InvalidValueError")

    @workflow.query(name="preview")
    def preview(self, spec: PortfolioSpec) -> PortfolioPreview:
        """Return what a reconfiguration to *spec* would do; it does nothing."""
        changes = differences(self._wanted or self._spec, spec)
        return PortfolioPreview(changes, self._refusal(spec))

    @workflow.query(name="status")
    def status(self) -> PortfolioStatus:
        """Return what the portfolio is doing."""
        return status_of(self._state)

    @property
    def _phase(self) -> Phase:
        return self._state.phase

    def _go(self, phase: Phase) -> None:
        self._state = replace(self._state, phase=phase)
        self._woken = True

    async def _say(self, did: str, by: str, why: str, *alerts: Alert) -> None:
        """Put what became of the portfolio into the audit log."""
        await portfolio_calls.tell(PortfolioTold(self._name, did, by or self._name, why, alerts))

    def _show(self) -> None:
        shown = self.status()
        workflow.set_current_details(details(shown))
        if self._told != str(shown.phase):
            self._told = str(shown.phase)
            workflow.upsert_search_attributes(
                [names.STRATEGY.value_set("portfolio"), names.PHASE.value_set(self._told)]
            )


def _told(held: Held, what: str, why: str, relief: Relief | None) -> Told:
    """Return what the audit log has of a change; of a relief, with the numbers behind it."""
    if relief is None:
        return Told(held.run_id, what, why)
    return Told(held.run_id, "relieve", why, numbers=relief.numbers)
