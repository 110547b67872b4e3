"""`opensqt alerts`: its commands, each loaded when it is used."""

import click

from workers.cli.lazy import LazyGroup

_COMMANDS = {
    "list": ("workers.cli.alerts_read:list_", "Show alerts; meant if no command is named."),
    "test": ("workers.cli.alerts_test:test", "Send a message to each channel."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS, usual="list")
def alerts() -> None:
    """Show what people were told, and try whether they can be."""
