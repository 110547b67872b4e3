"""`opensqt arb`: pairs that earn funding."""

import click

from workers.cli.lazy import LazyGroup

_COMMANDS = {
    "scan": ("workers.cli.arb_scan:scan", "Rank the pairs that accounts could hold right now."),
    "backtest": ("workers.cli.arb_backtest:backtest", "Play a pair over recorded markets."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def arb() -> None:
    """Pairs of two legs that are held together for the funding they earn.

    They can be found at venues, and played over recorded prices and rates; they cannot trade yet.
    """
