"""Transactions that keep their connection: whole or undone, and none spoils the next one."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from activities.store.database import open_engine, sqlite_url
from activities.store.transactions import Transactions


@pytest.fixture(name="kept", params=[True, False], ids=["kept", "not-kept"])
def _kept(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Transactions]:
    engine = open_engine(sqlite_url(tmp_path / "numbers.db"), create=True)
    transactions = Transactions(engine, keep=request.param)
    transactions.run(lambda c: c.execute(text("CREATE TABLE numbers (n INTEGER PRIMARY KEY)")))
    yield transactions
    transactions.let_go()
    engine.dispose()


def add(connection: Connection, *numbers: int) -> None:
    for number in numbers:
        connection.execute(text("INSERT INTO numbers VALUES (:n)"), {"n": number})


def numbers(connection: Connection) -> list[int]:
    return list(connection.execute(text("SELECT n FROM numbers ORDER BY n")).scalars())


def fails(connection: Connection) -> None:
    add(connection, 7)
    raise ZeroDivisionError


def test_what_fails_is_undone_and_the_next_one_is_whole(kept: Transactions) -> None:
    kept.run(lambda c: add(c, 1))
    with pytest.raises(ZeroDivisionError):
        kept.run(fails)
    kept.run(lambda c: add(c, 2, 3))
    assert kept.run(numbers) == [1, 2, 3]


def test_a_connection_that_was_let_go_is_made_again(kept: Transactions) -> None:
    kept.run(lambda c: add(c, 1))
    kept.let_go()
    kept.let_go()
    kept.run(lambda c: add(c, 2))
    assert kept.run(numbers) == [1, 2]


def test_other_connections_see_what_was_committed_and_may_write(kept: Transactions) -> None:
    other = Transactions(kept._engine, keep=True)
    kept.run(lambda c: add(c, 1))
    assert other.run(numbers) == [1]
    other.run(lambda c: add(c, 2))
    assert kept.run(numbers) == [1, 2]
    other.let_go()
