"""The options that all commands share, and the settings they lead to."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any

import click

from workers.settings import Settings, load_settings

#: The same on every command: one JSON document on stdout.
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document, errors too."
)

data_option = click.option(
    "--data",
    "data_dir",
    type=click.Path(path_type=Path, file_okay=True),
    metavar="DIR",
    help="Data directory of the stack [default: $OPENSQT_DATA_DIR or .opensqt].",
)


accept_option = click.option(
    "--accept",
    "accept",
    multiple=True,
    metavar="NAME",
    help="Take what the preflight finds as it is: balance, fees or foreign_orders; repeatable.",
)

why_option = click.option(
    "--why", default="", metavar="TEXT", help="The reason, for the audit log."
)


def with_settings(
    command: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., None]:
    """Run an async *command* with `settings` and `as_json`; adds `--data` and `--json`."""

    @data_option
    @json_option
    @wraps(command)
    def run(*args: Any, data_dir: Path | None, **options: Any) -> None:
        settings: Settings = load_settings(data_dir)
        asyncio.run(command(*args, settings=settings, **options))

    return run
