"""The one statement that SQLAlchemy keeps per dialect: INSERT ... ON CONFLICT."""

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_into(connection: Connection, table: Table) -> Any:
    """Return an INSERT into *table* that knows ON CONFLICT, in the dialect of *connection*."""
    return insert_in(connection.dialect.name, table)


def insert_in(dialect: str, table: Table) -> Any:
    """Return an INSERT into *table* that knows ON CONFLICT, in *dialect*."""
    if dialect == "sqlite":
        return sqlite.insert(table)
    return postgresql.insert(table)
