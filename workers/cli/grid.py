"""`opensqt grid`: its commands, each loaded when it is used."""

import click

from workers.cli.lazy import LazyGroup

_COMMANDS = {
    "preview": ("workers.cli.grid_start:preview", "Show what a spec would place now."),
    "preflight": ("workers.cli.grid_preflight:preflight", "Tell whether a spec could start now."),
    "start": ("workers.cli.grid_start:start", "Start a run of a spec."),
    "list": ("workers.cli.grid_list:list_runs", "List the runs."),
    "status": ("workers.cli.grid_read:status", "Show what a run is doing."),
    "slots": ("workers.cli.grid_read:slots", "Show the slots of a run with their orders."),
    "watch": ("workers.cli.grid_read:watch", "Watch a run live."),
    "pause": ("workers.cli.grid_tell:pause", "Cancel the entries of a run, keep its exits."),
    "resume": ("workers.cli.grid_tell:resume", "Let a paused run place entries again."),
    "stop": ("workers.cli.grid_tell:stop", "Stop a run for good."),
    "exit": ("workers.cli.exits:grid_exit", "Leave the market with a run, whatever happens."),
    "reconfigure": ("workers.cli.grid_tell:reconfigure", "Change a live run to another spec."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def grid() -> None:
    """Preview, start, watch and change grid runs.

    A SPEC is a YAML or JSON file, `-` reads stdin; examples/ has some.
    """
