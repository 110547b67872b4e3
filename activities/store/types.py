"""Column types that give back exactly what was put in, the same on SQLite and PostgreSQL.

Decimals are text. SQLite has no decimal type (NUMERIC becomes a float there), PostgreSQL's NUMERIC
has one; text is the only form that is exact in both and makes their rows identical. Sums are the
work of `domain.accounting`, and `CAST(fee AS NUMERIC)` serves people in PostgreSQL.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, Text
from sqlalchemy.types import TypeDecorator

from domain.errors import InvalidValueError

#: A growing key: only INTEGER counts by itself in SQLite.
Counter = BigInteger().with_variant(Integer, "sqlite")


class Exact(TypeDecorator[Decimal]):
    """A Decimal as plain text, without an exponent; its trailing zeros survive."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else _text(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> Decimal | None:  # noqa: ARG002
        return None if value is None else Decimal(value)


class Whole(TypeDecorator[int]):
    """An integer of any size as text: a sum of ticks x lots may not fit into 64 bits."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else str(value)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        return None if value is None else int(value)


class Amounts(TypeDecorator[Mapping[str, Decimal]]):
    """Amounts by asset, as JSON text with the assets in order and the amounts as strings."""

    impl = Text
    cache_ok = True

    def process_bind_param(
        self,
        value: Mapping[str, Decimal] | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> str | None:
        if value is None:
            return None
        return json.dumps({asset: _text(amount) for asset, amount in sorted(value.items())})

    def process_result_value(
        self,
        value: Any | None,
        dialect: Dialect,  # noqa: ARG002
    ) -> Mapping[str, Decimal] | None:
        if value is None:
            return None
        return {asset: Decimal(amount) for asset, amount in json.loads(value).items()}


class Utc(TypeDecorator[datetime]):
    """A moment in UTC: TIMESTAMP WITH TIME ZONE in PostgreSQL, sortable text in SQLite."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise InvalidValueError(f"a stored time must be aware (UTC), was {value!r}")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _text(value: Decimal) -> str:
    if not value.is_finite():
        raise InvalidValueError(f"a stored amount must be finite, was {value}")
    return format(value, "f")
