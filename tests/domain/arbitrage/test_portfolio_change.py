"""Other settings of a live portfolio: what may not change, and what is told of the rest."""

from dataclasses import replace
from typing import Any

import pytest

from domain.arbitrage.portfolio_change import (
    FieldChange,
    check_change,
    differences,
    reconfigured,
)
from domain.arbitrage.portfolio_spec import PortfolioSpec, parse_spec
from domain.arbitrage.portfolio_state import PortfolioState
from domain.errors import InvalidValueError
from tests.domain.arbitrage.market import T0
from tests.domain.arbitrage.test_portfolio import BTC, ETH, holding

HELD = holding((BTC, 600), (ETH, 400))


def spec(**changes: Any) -> PortfolioSpec:
    return parse_spec({"accounts": ["spot", "perp"], "equity": 1000, **changes})


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"quote": "USDC"}, "quote: stays USDT .* was USDC: start another portfolio for USDC"),
        (
            {"accounts": ["spot", "other"]},
            (
                "accounts: must have perp while pairs are held there, was spot, other: add it, or "
                "close them first with `opensqt arb stop folio-btc-spot-perp-1`, "
                "`opensqt arb stop folio-eth-spot-perp-2`"
            ),
        ),
        ({"accounts": ["a", "b"]}, "accounts: must have perp .*\naccounts: must have spot"),
        ({"quote": "USDC", "accounts": ["a", "b"]}, "quote: .*\naccounts: .*\naccounts: "),
    ],
)
def test_what_may_not_change_is_told_by_its_name(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidValueError, match=told):
        check_change(HELD, spec(), spec(**changes))


@pytest.mark.parametrize(
    "state, changes",
    [
        (PortfolioState(), {"accounts": ["a", "b"]}),
        (HELD, {"accounts": ["more", "perp", "spot"]}),
        (HELD, {"equity": 5, "every": 60, "pair": {"entry_apr": "0.2"}}),
        (HELD, {}),
    ],
)
def test_all_else_may(state: PortfolioState, changes: dict[str, Any]) -> None:
    check_change(state, spec(), spec(**changes))


def test_each_setting_that_differs_is_told_with_what_it_was() -> None:
    after = spec(
        accounts=["spot", "perp", "more"],
        equity=None,
        groups={"DOGE": "meme"},
        margin={"relief_above": "0.5"},
        pair={"hedge": {"passive_for": 3}},
    )
    assert differences(spec(), after) == (
        FieldChange("accounts", "spot, perp", "spot, perp, more"),
        FieldChange("equity", "1000", "not set"),
        FieldChange("groups.DOGE", "not set", "meme"),
        FieldChange("margin.relief_above", "0.65", "0.5"),
        FieldChange("pair.hedge.passive_for", "not set", "3"),
    )
    assert differences(after, after) == ()


def test_the_next_scan_is_due_and_pairs_are_told_what_is_theirs() -> None:
    before = replace(HELD, due_at=T0)
    same = reconfigured(before, spec(), spec(every=60))
    assert (same.due_at, [held.outdated for held in same.held]) == (None, [False, False])
    other = reconfigured(before, spec(), spec(pair={"entry_apr": "0.2"}))
    assert [held.outdated for held in other.held] == [True, True]
