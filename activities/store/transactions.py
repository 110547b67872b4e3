"""Transactions on one database, as cheap as it allows."""

from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import Connection, Engine

_T = TypeVar("_T")


class Transactions:
    """Runs work on an engine, each time in a transaction that is committed when it returns.

    With *keep* one connection stays checked out from one transaction to the next, as long as none
    fails: to check one out takes longer than a small transaction. It is for one thread then.
    """

    def __init__(self, engine: Engine, *, keep: bool) -> None:
        self._engine = engine
        self._keep = keep
        self._kept: Connection | None = None

    def run(self, work: Callable[[Connection], _T]) -> _T:
        """Return what *work* returns; what it or the commit raises undoes all of it."""
        if not self._keep:
            with self._engine.begin() as connection:
                return work(connection)
        connection, self._kept = self._kept or self._engine.connect(), None
        try:
            with connection.begin():
                done = work(connection)
        except BaseException:
            connection.close()  # the pool makes sure that nothing of it is left over
            raise
        self._kept = connection
        return done

    def let_go(self) -> None:
        """Give back the connection that is kept; the next transaction checks one out again."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None
