"""`opensqt portfolio`: its commands, each loaded when it is used."""

import click

from workers.cli.lazy import LazyGroup

_COMMANDS = {
    "preview": ("workers.cli.portfolio_preview:preview", "Show what a spec would begin now."),
    "start": ("workers.cli.portfolio_tell:start", "Start a portfolio of a spec."),
    "status": ("workers.cli.portfolio_tell:status", "Show what a portfolio holds and plans."),
    "reconfigure": (
        "workers.cli.portfolio_change:reconfigure",
        "Give a live portfolio other settings.",
    ),
    "pause": ("workers.cli.portfolio_tell:pause", "Let it look on and change nothing."),
    "resume": ("workers.cli.portfolio_tell:resume", "Let a paused one follow its scans again."),
    "stop": ("workers.cli.portfolio_tell:stop", "Close all its pairs, and end it."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def portfolio() -> None:
    """Portfolios of pairs: the best of what venues list, begun and closed by themselves.

    A SPEC is a YAML or JSON file, `-` reads stdin; examples/portfolio.yaml is one.
    """
