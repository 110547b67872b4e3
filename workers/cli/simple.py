"""`opensqt simple`: a strategy without Temporal, in this process."""

import click

from workers.cli.lazy import LazyGroup

_COMMANDS = {
    "run": ("workers.cli.simple_run:run", "Run a grid in this process until Ctrl-C."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def simple() -> None:
    """Run a strategy without Temporal: the same decisions, state in the ledger's checkpoints."""
