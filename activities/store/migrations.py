"""Bringing a database to this program's revision, and refusing to work on any other.

Only `upgrade` needs Alembic, and imports it when called: a process that finds its database current
never loads it. The scripts are those of alembic/ in the checkout, or their copy in the installed
package.
"""

from pathlib import Path
from typing import Final, Literal

from sqlalchemy import Connection, inspect, text

from activities.store.database import (
    UPGRADE_COMMAND,
    open_engine,
    parsed,
    place,
    read_only,
    store_errors,
)
from activities.store.schema import REVISION
from domain.errors import SchemaOutdatedError, StoreError

_ROOT: Final = Path(__file__).parents[2]
#: Where a wheel has its copy of alembic/ (see the wheel's sources in pyproject).
_PACKAGED: Final = _ROOT / "workers" / "_migrations"
_CHECKOUT: Final = _ROOT / "alembic"


def scripts() -> Path:
    """Return the directory of the migrations; raises StoreError if the installation lacks them."""
    for directory in (_CHECKOUT, _PACKAGED):
        if (directory / "env.py").is_file():
            return directory
    raise StoreError(
        f"the migrations were neither in {_PACKAGED} nor in {_CHECKOUT}: install the program again"
    )


def current_revision(url: str) -> str | None:
    """Return the revision a database is at, or None if it has no tables of ours yet."""
    if _missing_file(url):
        return None
    engine = read_only(open_engine(url))
    try:
        with store_errors(place(url)), engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


def require_current(url: str) -> None:
    """Raise SchemaOutdatedError, saying what helps, unless at this program's revision."""
    found = current_revision(url)
    if found == REVISION:
        return
    where = place(url)
    if found is None:
        raise SchemaOutdatedError(f"{where} has no ledger yet: run `{UPGRADE_COMMAND}`")
    if found > REVISION:  # revisions are numbered in order
        raise SchemaOutdatedError(
            f"{where} is at revision {found}, made by a newer program; this one needs {REVISION}. "
            "Install the newer version again, or restore the backup from before the upgrade"
        )
    raise SchemaOutdatedError(
        f"{where} is at revision {found}, this program needs {REVISION}: run `{UPGRADE_COMMAND}`"
    )


def upgrade(url: str, revision: str = "head") -> str:
    """Bring a database to *revision*, all or nothing, and return the revision it is at.

    Makes a SQLite file if there is none. Raises StoreUnavailableError, or SchemaOutdatedError if
    the database was made by a newer program.
    """
    found = current_revision(url)
    if found is not None and found > REVISION:
        require_current(url)
    run_alembic(url, "upgrade", revision)
    return current_revision(url) or ""


def run_alembic(url: str, verb: Literal["upgrade", "downgrade"], revision: str) -> None:
    """Run one of Alembic's commands on a database, in one transaction."""
    from alembic import command  # noqa: PLC0415  only here: see the first paragraph
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", str(scripts()).replace("%", "%%"))
    engine = open_engine(url, create=True)
    try:
        with store_errors(place(url)), engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                # Two processes that start at once must not both migrate; ends with the transaction.
                connection.execute(text("SELECT pg_advisory_xact_lock(7091504)"))
            config.attributes["connection"] = connection
            getattr(command, verb)(config, revision)
    finally:
        engine.dispose()


def _missing_file(url: str) -> bool:
    parts = parsed(url)
    return parts.get_backend_name() == "sqlite" and not Path(parts.database or "").exists()


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
