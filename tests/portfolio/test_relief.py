"""A portfolio relieves an account that uses too much of its margin, before all else."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from temporalio.client import Client

from activities.store.records import AuditEntry
from domain.arbitrage.portfolio_state import Level
from tests.activities.coins import Coin
from tests.eventually import eventually
from tests.portfolio.ground import Ground, ground
from workflows.portfolio_messages import PortfolioStatus

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

COINS = (Coin("BTC", "0.0005"), Coin("ETH", "0.0004"))
#: The exchange asks for 0.005 of what is held: 500 and 444 of 99 056 quote use 0.0000477.
TIGHT = {"maintenance_rate": "0.005", "entry_health": "0.99993", "relief_above": "0.00006"}


async def test_r39_at_a_look_the_pair_of_the_lowest_score_gives_back_as_much_as_is_needed(
    tmp_path: Path, client: Client
) -> None:
    async with ground(tmp_path, client, COINS) as folio:
        await folio.start(every=3600, margin=TIGHT)
        await folio.holds("BTC", "ETH")
        before = amounts(await folio.until("a look", is_at(Level.RELAXED)))
        folio.market.quote("BTC", 1700)  # 850 and 444 of 98 706: 0.0000655
        await folio.until("the relief", lambda found: amounts(found)["ETH"] < before["ETH"])
        await eventually(lambda: eth_follows(folio), within=60, what="what it gives back")
        found = await folio.until("the end of the strain", is_at(Level.RELAXED))
        after = amounts(found)
        assert (after["BTC"], found.turns) == (before["BTC"], 1)
        # 1294 * (1 - 0.00006 / 0.0000655) = 109, but for lots and fees
        assert 99 < before["ETH"] - after["ETH"] < 119
        assert folio.market.is_hedged("ETH")
        await eventually(lambda: commands(folio, "relieve"), what="what is told of the relief")
        (why,) = [each for each in await trail(folio) if each.command == "relieve"]
        assert "its score" in why.why
        assert why.after is not None
        assert (why.after["limit"], why.after["to"]) == ("0.00006", f"{after['ETH']:.2f}")
        assert "margin strained" in [each.command for each in await trail(folio)]


async def test_r39_what_is_not_known_of_an_account_is_told_and_relieves_nothing(
    tmp_path: Path, client: Client
) -> None:
    async with ground(tmp_path, client, COINS) as folio:
        await folio.start(every=3600, margin={**TIGHT, "relief_within": 5}, most_changes=1)
        await folio.until("one pair", lambda found: found.begun)
        await folio.until("it", lambda _: folio.market.is_hedged("BTC"))
        held = amounts(await folio.until("a look", is_at(Level.RELAXED)))
        folio.market.break_down({"method": "rest.*", "kind": "drop_connection"})
        await folio.until("no look", is_at(Level.UNKNOWN))
        folio.market.heal()
        await folio.until("a look", is_at(Level.RELAXED))
        told = await eventually(
            lambda: commands(folio, "margin relaxed"), what="what is told of it"
        )
        assert (told.count("margin unknown"), told.count("relieve")) == (1, 0)
        assert told.index("margin unknown") < told.index("margin relaxed")
        await folio.tell("pause")
        folio.market.quote("BTC", 4000)  # who is told to change nothing does not
        found = await folio.until("a strain", is_at(Level.STRAINED))
        assert amounts(found) == held
        await folio.tell("resume")
        await folio.until("less of it", lambda _: worth(folio) < 1300)
        found = await folio.until("what was held back", lambda found: found.held_back)
        assert found.begun == 1
        await folio.tell("stop")
        await folio.result()
        assert folio.market.is_flat("BTC")


def is_at(level: Level) -> Callable[[PortfolioStatus], bool]:
    def true(found: PortfolioStatus) -> bool:
        return [line.level for line in found.margins] == [level]

    return true


def amounts(found: PortfolioStatus) -> dict[str, Decimal]:
    return {line.pair.split()[1].partition("/")[0]: line.amount for line in found.pairs}


def worth(folio: Ground) -> Decimal:
    return abs(folio.market.held("BTC")[1]) * 4000


async def eth_follows(folio: Ground) -> bool:
    amount = amounts(await folio.status())["ETH"]
    return abs(abs(folio.market.held("ETH")[1]) * 1000 - amount) < 3


async def commands(folio: Ground, last: str) -> list[str] | None:
    """Return what the audit log has; None until *last* is in it: it is written a moment after."""
    told = [each.command for each in await trail(folio)]
    return told if last in told else None


async def trail(folio: Ground) -> list[AuditEntry]:
    return list(await folio.ledger.audit_trail())[::-1]
