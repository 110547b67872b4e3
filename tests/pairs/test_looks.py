"""What a look at the legs comes to, whatever happens while it lasts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.pair_messages import LegKey
from domain.errors import VenueUnavailableError
from tests.pairs.ground import HEDGE, ground


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_trade_that_ends_during_a_look_is_not_taken_for_lost(
    tmp_path: Path, client: Client | None
) -> None:
    """Found by the crash lab: what such a trade had done was forgotten, and an exit sold twice."""
    async with ground(tmp_path, client=client) as pair:
        slow = {"method": "GetAccountView", "kind": "delay_before"}
        for side in pair.sides.values():
            side.break_down({**slow, "delay": timedelta(seconds=1)})
        await pair.start(hedge={**HEDGE, "passive_for": 0}, cool_off=0)
        for trades in (1, 3, 5):  # it enters again after each exit
            await pair.until("it", lambda it, n=trades: it.trades == n and not it.trade)
            await pair.leave()
        await pair.until("the last", lambda it: it.trades > 5)
        told = await pair.ledger.undelivered_alerts(datetime.now(UTC))
        assert not [alert for alert in told if "ended by somebody" in alert.message]


async def test_what_a_venue_does_not_tell_is_in_the_log_every_now_and_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A look every few seconds, and a settlement that is hours away: the log was full of it."""
    async with ground(tmp_path) as pair:
        desks, now = pair.sides[1].desks, [datetime(2026, 3, 1, tzinfo=UTC)]
        assert desks is not None
        desk = desks.legs()
        desk._clock = lambda: now[0]
        leg = LegKey("p", 1, desks.account, pair.sides[1].symbol, "tag")
        for minutes in (0, 1, 9, 11, 12):
            now[0] = datetime(2026, 3, 1, 0, minutes, tzinfo=UTC)
            for what in ("100 % unknown", "another thing"):
                async with desk._left_out(leg):
                    raise VenueUnavailableError(what)
        told = [each for each in caplog.messages if each.startswith("p.1: ")]
        assert told == ["p.1: 100 % unknown", "p.1: another thing"] * 2
