"""The flaws of the earlier system's risk controls: here they cannot come back.

Numbers are those of its audit (docs/flaws.md). What is pure is tested beside it, in
`tests/domain/risk`, under the same names.
"""

from decimal import Decimal
from pathlib import Path

import pytest

from activities.risk import RiskDesk
from activities.store.database import sqlite_url
from activities.store.ledger import Ledger
from domain.grid.events import Place
from domain.risk.breaker_events import Diverged, TradeClosed
from domain.risk.scope import OVERALL, Scope, ScopeKind, scopes
from tests.activities.wire import ACCOUNT, INSTRUMENT, START, desk_at, leave, order, told
from workers.wiring import desks


async def test_k4_a_divergence_of_five_percent_bars_the_entries_of_every_desk(
    tmp_path: Path,
) -> None:
    """The desks of both runners are made by the same function, which cannot leave the gate out."""
    async with desk_at(tmp_path / "ledger.db") as desk:
        wired = desks(ACCOUNT, desk.wire, desk.ledger)
        diverged = Diverged(INSTRUMENT.symbol, Decimal(5), START)
        await wired.risk.tell([Scope(ScopeKind.RUN, "a run")], diverged)
        outcomes = await wired.orders.submit(INSTRUMENT, [Place(order(1)), Place(leave(2))])
        assert sorted(told(outcomes)) == ["open", "risk"]
        assert desk.working() == {leave(2).client_id}


@pytest.mark.parametrize("scope", scopes("a run", ACCOUNT), ids=str)
async def test_k5_a_row_of_losses_is_stored_with_what_caused_it_and_no_restart_ends_it(
    tmp_path: Path, scope: Scope
) -> None:
    async with desk_at(tmp_path / "ledger.db") as desk:
        losses = [TradeClosed(Decimal("-1.5"), START)] * 5
        await RiskDesk(desk.ledger, clock=desk.clock).tell([scope], *losses)
    async with Ledger.open(sqlite_url(tmp_path / "ledger.db")) as ledger:
        stands = await RiskDesk(ledger, clock=desk.clock).standing("a run", ACCOUNT)
        assert (stands.halted, stands.scope) == (True, scope)
        account = "" if scope == OVERALL else ACCOUNT
        (event,) = await ledger.risk_events(account)
        assert event.detail["scope"] == {"kind": scope.kind, "name": scope.name}
        assert event.detail["cause"] == "losses"
        assert event.detail["numbers"] == {"losses": "5", "lost": "7.5"}
