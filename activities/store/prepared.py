"""Statements that every fill needs: built once, and executed as cheaply as the driver allows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Dialect


@dataclass(frozen=True, slots=True)
class _Compiled:
    """SQL with positional placeholders, and for each the name of its value and what converts it."""

    sql: str
    places: Sequence[tuple[str, Callable[[Any], Any] | None]]
    #: Values of the statement itself, which no row brings.
    constants: Mapping[str, Any]

    def values(self, row: Mapping[str, Any]) -> list[Any]:
        """Return what stands in the placeholders for *row*, as the driver takes it."""
        filled = [(row if name in row else self.constants)[name] for name, _ in self.places]
        converters = [convert for _, convert in self.places]
        return [
            value if convert is None else convert(value)
            for value, convert in zip(filled, converters, strict=True)
        ]


class Prepared:
    """A statement that is executed for rows of values, which all have the same names.

    In SQLite it goes straight to the driver, with values as SQLAlchemy's types convert them: its
    own way to execute one row takes three times as long. PostgreSQL is a network away, and gets all
    rows at once. What is returned must be text or integers, which no type has to convert.
    """

    def __init__(self, build: Callable[[str], Any]) -> None:
        """Take what builds the statement for a dialect of that name."""
        self._build = build
        self._built: dict[str, Any] = {}
        self._compiled: _Compiled | None = None

    def execute(self, connection: Connection, rows: Sequence[dict[str, Any]]) -> list[Any]:
        """Execute for all *rows*, and return what the statement returns."""
        if not rows:
            return []
        dialect = connection.dialect
        if dialect.name == "sqlite":
            return self._execute_raw(connection, dialect, rows)
        result = connection.execute(self._statement(dialect), rows if len(rows) > 1 else rows[0])
        return list(result.all()) if result.returns_rows else []

    def _execute_raw(
        self, connection: Connection, dialect: Dialect, rows: Sequence[dict[str, Any]]
    ) -> list[Any]:
        if self._compiled is None:
            self._compiled = _compile(self._statement(dialect), dialect, list(rows[0]))
        cursor = connection.connection.cursor()
        returned: list[Any] = []
        for row in rows:
            cursor.execute(self._compiled.sql, self._compiled.values(row))
            returned += cursor.fetchall()
        return returned

    def _statement(self, dialect: Dialect) -> Any:
        if dialect.name not in self._built:
            self._built[dialect.name] = self._build(dialect.name)
        return self._built[dialect.name]


def _compile(statement: Any, dialect: Dialect, columns: Sequence[str]) -> _Compiled:
    compiled = statement.compile(dialect=dialect, column_keys=columns)
    places = [
        (name, compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect))
        for name in compiled.positiontup
    ]
    return _Compiled(str(compiled), places, dict(compiled.params))
