"""`opensqt risk`: its commands, each loaded when it is used."""

import click

from workers.cli.lazy import LazyGroup

_COMMANDS = {
    "status": ("workers.cli.risk_read:status", "Show where runs stand, and every breaker."),
    "trip": ("workers.cli.risk_tell:trip", "Open a breaker: no run below it opens anything."),
    "reset": ("workers.cli.risk_tell:reset", "Close a breaker."),
    "exit": ("workers.cli.exits:account_exit", "Leave the market with all runs of an account."),
    "rehearse": ("workers.cli.risk_rehearse:rehearse_", "Try the market monitor on candles."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def risk() -> None:
    """See what halts openings, halt them, and let them go on.

    Exits are never halted.
    """
