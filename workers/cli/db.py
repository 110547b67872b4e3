"""`opensqt db`: make, upgrade and check the ledger."""

from pathlib import Path

import click

from activities.store.database import UPGRADE_COMMAND, parsed, place
from activities.store.migrations import current_revision
from activities.store.migrations import upgrade as bring_up
from activities.store.schema import REVISION
from domain.errors import StoreUnavailableError
from workers.cli.failures import CommandError
from workers.cli.lazy import LazyGroup
from workers.cli.options import data_option, json_option
from workers.cli.output import put_json
from workers.settings import load_settings

_COMMANDS = {
    "upgrade": ("workers.cli.db:upgrade", "Make the ledger, or bring it to this revision."),
    "status": ("workers.cli.db:status", "Tell which revision the ledger is at."),
}


@click.group(cls=LazyGroup, lazy=_COMMANDS)
def db() -> None:
    """Make, upgrade and check the ledger (OPENSQT_DATABASE, or a file in the data directory)."""


@click.command(epilog="Example: opensqt db upgrade")
@data_option
@json_option
def upgrade(*, data_dir: Path | None, as_json: bool) -> None:
    """Make the ledger if there is none, or bring it to this program's revision."""
    url = load_settings(data_dir).ledger_url
    _make_directory(url)
    before = current_revision(url)
    after = bring_up(url)
    if as_json:
        put_json({"database": place(url), "before": before, "revision": after})
    elif before == after:
        click.echo(f"{place(url)} is at revision {after} already")
    else:
        click.echo(f"{place(url)} is at revision {after} now, was {before or 'not there'}")


@click.command(epilog="Example: opensqt db status")
@data_option
@json_option
def status(*, data_dir: Path | None, as_json: bool) -> None:
    """Tell which revision the ledger is at; fails unless it is this program's."""
    url = load_settings(data_dir).ledger_url
    found = current_revision(url)
    if found != REVISION:
        was = f"is at revision {found}" if found else "has no ledger yet"
        fix = "install the newer program" if found and found > REVISION else "run "
        fix += "" if found and found > REVISION else f"`{UPGRADE_COMMAND}`"
        raise CommandError(f"{place(url)} {was}, this program needs {REVISION}: {fix}")
    if as_json:
        put_json({"database": place(url), "revision": found, "needed": REVISION})
    else:
        click.echo(f"{place(url)} is at revision {found}, as needed")


def _make_directory(url: str) -> None:
    parts = parsed(url)
    if parts.get_backend_name() != "sqlite":
        return
    directory = Path(parts.database or "").parent
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreUnavailableError(
            f"{directory} cannot be made ({error.strerror}): check its rights, or choose another "
            "--data DIR"
        ) from error
