"""A Temporal server, and ledgers on SQLite and PostgreSQL."""

from tests.activities.store.conftest import (
    _migrated_template,
    _postgres,
    _postgres_database,
    _sqlite_database,
    _url,
)
from tests.workflows.conftest import _client, _server

__all__ = [
    "_client",
    "_migrated_template",
    "_postgres",
    "_postgres_database",
    "_server",
    "_sqlite_database",
    "_url",
]
