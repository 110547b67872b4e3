"""How Alembic reaches a database: the connection of activities.store.migrations, or `-x url=...`."""

from typing import Any

from alembic import context
from sqlalchemy import Connection
from sqlalchemy.types import TypeDecorator

from activities.store.database import open_engine
from activities.store.schema import metadata


def render_plain(kind: str, item: Any, _: Any) -> str | bool:
    """Write the database's type into migrations: they must not change when our classes do."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return f"sa.{item.impl_instance!r}"
    return False


def migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=connection.dialect.name == "sqlite",  # it cannot alter a table in place
        render_item=render_plain,
        transaction_per_migration=False,
    )
    with context.begin_transaction():
        context.run_migrations()


def main() -> None:
    given = context.config.attributes.get("connection")
    if given is not None:
        migrate(given)
        return
    url = context.get_x_argument(as_dictionary=True).get("url")
    if url is None:
        raise SystemExit("which database? alembic -x url=sqlite:///path/of/file upgrade head")
    engine = open_engine(url, create=True)
    with engine.begin() as connection:
        migrate(connection)
    engine.dispose()


main()
