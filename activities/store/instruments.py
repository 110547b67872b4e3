"""Instruments as the ledger saw them last, and the exact decimals they give to ticks and lots."""

from decimal import Decimal
from typing import Any

from pydantic import TypeAdapter
from sqlalchemy import Connection, select

from activities.store.schema import instruments
from activities.store.statements import insert_into
from domain.money import Instrument, Price, Quantity

_ADAPTER = TypeAdapter(Instrument)


def to_json(instrument: Instrument) -> Any:
    """Return *instrument* as JSON values; decimals become strings."""
    return _ADAPTER.dump_python(instrument, mode="json")


def from_json(stored: Any) -> Instrument:
    """Return the instrument of *stored*, as `to_json` gave it."""
    return _ADAPTER.validate_python(stored, strict=False)


class Instruments:
    """What was read of the table, kept: it is needed for every row and changes once in months."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Instrument] = {}

    def get(self, connection: Connection, account: str, symbol: str) -> Instrument | None:
        """Return the instrument, or None if it was never saved."""
        known = self._known.get((account, symbol))
        if known is not None:
            return known
        query = select(instruments.c.instrument).where(
            instruments.c.account == account, instruments.c.symbol == symbol
        )
        stored = connection.execute(query).scalar()
        if stored is None:
            return None
        self._known[account, symbol] = from_json(stored)
        return self._known[account, symbol]

    def save(self, connection: Connection, account: str, instrument: Instrument, at: Any) -> None:
        """Store what the venue says now."""
        statement = insert_into(connection, instruments).values(
            account=account,
            symbol=instrument.symbol,
            instrument=to_json(instrument),
            updated_at=at,
        )
        told = statement.excluded
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=list(instruments.primary_key.columns),
                set_={"instrument": told.instrument, "updated_at": told.updated_at},
            )
        )
        self._known.pop((account, instrument.symbol), None)  # the transaction may yet be undone

    def decimals(
        self,
        connection: Connection,
        account: str,
        symbol: str,
        price: Price | None,
        quantity: Quantity,
    ) -> tuple[Decimal | None, Decimal | None]:
        """Return price and quantity as decimals; None where there is none, or no instrument yet."""
        instrument = self.get(connection, account, symbol)
        if instrument is None:
            return None, None
        return instrument.price_of(price) if price else None, instrument.base_of(quantity)
