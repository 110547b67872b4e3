"""What pairs show to Prometheus, through the worker's own endpoint; a replay shows nothing twice.

    opensqt_pair_apr_earned, ..._paid      what the pair earns, or would, a year (0.1: 10 %)
    opensqt_pair_unhedged_base             base that both legs hold together, whichever its sign
    opensqt_pair_funding_received, ..._paid    what settlements came to so far, in quote
    opensqt_hedge_debt_base                base that a trade in flight has not hedged
    opensqt_hedge_debt_seconds             how old that is

All by the label `pair`. A gauge is a float; nothing is decided by it. Temporal's gauges are never
negative, so what has a sign is two of them, one of which is 0.
"""

from decimal import Decimal

from temporalio import workflow

from domain.arbitrage.pair import PairTrade
from domain.arbitrage.view import PairStatus
from domain.money import ZERO, add


def show_pair(pair: str, status: PairStatus) -> None:
    """Show where a pair stands; what is not known is not shown."""
    if status.apr is not None:
        _set_signed("opensqt_pair_apr", ("earned", "paid"), pair, status.apr)
    funding = add(*(leg.funding for leg in status.legs))
    _set_signed("opensqt_pair_funding", ("received", "paid"), pair, funding)
    _set("opensqt_pair_unhedged_base", pair, float(abs(status.debt)))


def show_trade(pair: str, trade: PairTrade) -> None:
    """Show what of a trade is not hedged, and for how long."""
    _set("opensqt_hedge_debt_base", pair, float(abs(trade.debt)))
    _set("opensqt_hedge_debt_seconds", pair, trade.debt_age().total_seconds())


def _set_signed(name: str, ends: tuple[str, str], pair: str, value: Decimal) -> None:
    more, less = ends
    _set(f"{name}_{more}", pair, float(max(value, ZERO)))
    _set(f"{name}_{less}", pair, float(max(-value, ZERO)))


def _set(name: str, pair: str, value: float) -> None:
    workflow.metric_meter().create_gauge_float(name).set(value, {"pair": pair})
