"""A grid from start to stop at every venue: the same orders everywhere, and money that adds up.

The plain loop says what is right: what the simple and the durable runner ask of each venue is
compared with that, so it is the same over runners and over venues. Quantities are in base.
"""

from pathlib import Path

import pytest
from temporalio.client import Client

from domain.grid.events import Cancel, Place
from domain.money import MarketKind
from tests.contract.conftest import BOTH
from tests.contract.trading import PRICES, Trader, alike, planned, trading
from tests.lockstep import observe


@pytest.fixture(autouse=True)
def _observed(monkeypatch: pytest.MonkeyPatch) -> None:
    observe(monkeypatch)


async def traded(trader: Trader) -> str:
    """Play the whole tape, check what is left behind it, and return what was asked."""
    await trader.settle()
    await trader.move(len(PRICES) - 1)
    result = await trader.close()
    assert result.residual == 0
    assert result.position == 0
    assert result.cycles == 3
    return trader.actions


@pytest.mark.parametrize("kind", MarketKind)
def test_the_tape_lets_a_grid_do_all_that_it_can(kind: MarketKind) -> None:
    actions = planned(kind).actions
    cancels = [action for action in actions if isinstance(action, Cancel)]
    places = [action.request for action in actions if isinstance(action, Place)]
    assert len(cancels) >= 3
    assert sum(request.entry for request in places) >= 8
    assert sum(not request.entry for request in places) >= 5
    assert places[-1].price is None  # the position is closed at the market


@pytest.mark.parametrize("where", BOTH)
async def test_a_grid_trades_alike_at_every_venue(
    where: tuple[str, MarketKind], tmp_path: Path
) -> None:
    async with trading(where, tmp_path) as trader:
        assert await traded(trader) == alike(planned(where[1]).actions)


@pytest.mark.parametrize("where", BOTH)
async def test_a_durable_grid_trades_alike_at_every_venue(
    where: tuple[str, MarketKind], tmp_path: Path, client: Client
) -> None:
    async with trading(where, tmp_path, client=client) as trader:
        assert await traded(trader) == alike(planned(where[1]).actions)
