"""`opensqt arb`: pairs that earn funding."""

import click

from workers.cli.lazy import LazyGroup

_COMMANDS = {
    "scan": ("workers.cli.arb_scan:scan", "Rank the pairs that accounts could hold right now."),
    "preview": ("workers.cli.arb_start:preview", "Show what a pair would be now."),
    "start": ("workers.cli.arb_start:start", "Start a pair of a spec."),
    "list": ("workers.cli.arb_list:list_pairs", "List the pairs."),
    "status": ("workers.cli.arb_read:status", "Show what a pair is doing."),
    "watch": ("workers.cli.arb_read:watch", "Watch a pair: a line for each change."),
    "pause": ("workers.cli.arb_tell:pause", "Let a pair enter nothing."),
    "resume": ("workers.cli.arb_tell:resume", "Let a paused pair enter again."),
    "exit": ("workers.cli.arb_tell:exit_pair", "Close a pair; the run goes on watching."),
    "stop": ("workers.cli.arb_tell:stop", "Close a pair and end its run."),
    "reconfigure": ("workers.cli.arb_tell:reconfigure", "Change a live pair to another spec."),
    "run": ("workers.cli.arb_run:run", "Run a pair in this process, without Temporal."),
    "backtest": ("workers.cli.arb_backtest:backtest", "Play a pair over recorded markets."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def arb() -> None:
    """Pairs of two legs that are held together for the funding they earn.

    A SPEC is a YAML or JSON file, `-` reads stdin; examples/first-pair.yaml is one.
    """
