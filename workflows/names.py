"""The only makers of ids, queue names and search attributes."""

from typing import Final

from temporalio.common import SearchAttributeKey

GRID_RUN: Final = "GridRun"
FEED_RUN: Final = "FeedRun"
EMERGENCY_EXIT: Final = "EmergencyExit"
ARBITRAGE_RUN: Final = "ArbitrageRun"
PAIR_TRADE: Final = "PairTradeRun"
PORTFOLIO_RUN: Final = "PortfolioRun"
RISK_GUARD: Final = "RiskGuard"
#: The one guard of a deployment.
RISK_GUARD_ID: Final = "risk-guard"
ALERT_RUN: Final = "AlertRun"
#: The one that brings alerts to people.
ALERT_RUN_ID: Final = "alerts"
#: The task queue of what needs no keys of any account.
SERVICES_QUEUE: Final = "services"

STRATEGY: Final = SearchAttributeKey.for_keyword("OpensqtStrategy")
SYMBOL: Final = SearchAttributeKey.for_keyword("OpensqtSymbol")
ACCOUNT: Final = SearchAttributeKey.for_keyword("OpensqtAccount")
VENUE: Final = SearchAttributeKey.for_keyword("OpensqtVenue")
PHASE: Final = SearchAttributeKey.for_keyword("OpensqtPhase")
RISK: Final = SearchAttributeKey.for_keyword("OpensqtRisk")
SEARCH_ATTRIBUTES: Final = (STRATEGY, SYMBOL, ACCOUNT, VENUE, PHASE, RISK)


def account_queue(account: str) -> str:
    """Return the task queue of everything that needs the keys of *account*."""
    return f"account.{account}"


def feed_workflow_id(account: str) -> str:
    """Return the id of the one workflow that owns the streams of *account*."""
    return f"feed.{account}"


def trade_workflow_id(pair: str, tag: str) -> str:
    """Return the id of one trade of a pair: a second start finds the first."""
    return f"{pair}/trade/{tag}"


def exit_workflow_id(run_id: str, number: int) -> str:
    """Return the id of the *number*-th emergency exit of a run: a second start finds the first."""
    return f"{run_id}/exit/{number}"
