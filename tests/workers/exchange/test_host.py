"""The one writer: what it commits, what it plays again, and how a test moves its market."""

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from domain.errors import (
    CorruptCheckpointError,
    InvalidValueError,
    StoreUnavailableError,
    VenueUnavailableError,
)
from domain.money import MarketKind, Price
from domain.orders import OrderReport, OrderRequest, Side
from workers.exchange import host as host_module
from workers.exchange.clock import MarketClock
from workers.exchange.faults import FaultKind, FaultPlan, FaultRule, read_faults
from workers.exchange.host import Band, Host, Stopped
from workers.exchange.instruments import instrument_of, step_of
from workers.exchange.journal import Journal
from workers.exchange.markets import open_source
from workers.exchange.settings import STARTING_BALANCES, ExchangeSettings
from workers.exchange.sources import Source

START = datetime(2026, 1, 1, tzinfo=UTC)
CANDLES = "open_time_ms,open,high,low,close,volume\n"


def made(data: Path, **changes: Any) -> ExchangeSettings:
    return ExchangeSettings(data=data, start_at=START, volatility=Decimal("0.5"), **changes)


class Books:
    """Hosts on one directory, one after the other."""

    def __init__(self, data: Path) -> None:
        self.settings = made(data)
        self.journal: Journal | None = None

    def open(self) -> Host:
        """Return a host on the books as a process would after a kill: nothing was tidied up."""
        if self.journal is not None:
            self.journal.close()
        source = open_source(self.settings)
        self.journal = Journal(self.settings.data, source.origin)
        return Host(source, self.journal, STARTING_BALANCES, Decimal(0))


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    books = Books(tmp_path)
    yield books
    if books.journal is not None:
        books.journal.close()


def trade(host: Host, account: str, number: int) -> None:
    """Do one of several things, by *number*."""
    update = host.exchange.last_price("BTCUSDT")
    assert update is not None
    side = Side.BUY if number % 2 else Side.SELL
    price = update.price - side.sign * (number % 5) * 3000
    lots = host.instrument("BTCUSDT").quantity(Decimal("0.003"))
    host.place(account, OrderRequest(f"o{number}", "BTCUSDT", side, lots, price))
    if number % 7 == 0:
        host.cancel(account, "BTCUSDT", f"o{number - 3}")
    if number % 3 == 0:
        host.advance(1 + number % 4)


@pytest.mark.parametrize("inputs_kept", [3, 10, 10_000])
def test_books_opened_again_are_the_same_wherever_the_last_snapshot_was(
    books: Books, monkeypatch: pytest.MonkeyPatch, inputs_kept: int
) -> None:
    monkeypatch.setattr(host_module, "SNAPSHOT_INPUTS", inputs_kept)
    host = books.open()
    host.advance(3)
    for number in range(60):
        account = host.account("alice" if number % 4 else "bob")
        trade(host, account, number)
        if number % 13 == 0:
            before, position = host.exchange.dump(), host.position
            upcoming = host.next_at
            host = books.open()
            assert (host.exchange.dump(), host.position) == (before, position)
            assert host.next_at == upcoming
    assert host.exchange.fills_since("alice", "BTCUSDT", START)


def test_a_killed_market_goes_on_like_one_that_was_not(tmp_path: Path) -> None:
    ends = []
    for name, kills in (("a", 0), ("b", 9)):
        books = Books(tmp_path / name)
        host = books.open()
        host.advance(3)
        for number in range(40):
            trade(host, host.account("alice"), number)
            if kills and number % (40 // kills) == 0:
                host = books.open()
        ends.append(host.exchange.dump())
        assert books.journal is not None
        books.journal.close()
    assert ends[0] == ends[1]


def test_what_cannot_be_committed_is_never_seen(books: Books) -> None:
    host = books.open()
    host.advance(3)
    account = host.account("alice")
    assert books.journal is not None
    books.journal._db.execute("PRAGMA query_only = ON")
    with host.changes() as changed:
        with pytest.raises(StoreUnavailableError, match="cannot be written"):
            trade(host, account, 1)
        assert changed.is_set()  # so that streams hear of the end
    assert host.broken.is_set()
    for attempt in (
        lambda: host.exchange,
        lambda: host.advance(1),
        lambda: host.cancel(account, "BTCUSDT", "o1"),
        lambda: host.last_sequence(account),
    ):
        with pytest.raises(StoreUnavailableError):
            attempt()
    assert books.open().exchange.look_up(account, "BTCUSDT", "o1") is None


def test_a_flipped_digit_in_a_snapshot_is_refused_with_what_to_do(books: Books) -> None:
    host = books.open()
    host.advance(3)
    host.keep()
    assert books.journal is not None
    books.journal._db.execute("UPDATE snapshot SET state = replace(state, '2026', '2027')")
    books.journal._db.commit()
    with pytest.raises(CorruptCheckpointError, match=r"checksum .* another --data directory"):
        books.open()


def test_a_closed_host_answers_nobody(books: Books) -> None:
    host = books.open()
    host.close()
    with pytest.raises(VenueUnavailableError, match="stopping"):
        host.account("alice")


@pytest.mark.parametrize("name", ["", "a b", "x" * 65, "a/b", "ü"])
def test_an_account_has_a_plain_name(books: Books, name: str) -> None:
    with pytest.raises(InvalidValueError, match="an account has"):
        books.open().account(name)


def test_an_advance_stops_at_its_count_at_a_report_or_out_of_the_band(books: Books) -> None:
    host = books.open()
    assert host.advance(5) == (5, Stopped.COUNT)
    account = host.account("alice")
    update = host.exchange.last_price("BTCUSDT")
    assert update is not None
    lots = host.instrument("BTCUSDT").quantity(Decimal("0.001"))
    bid = OrderRequest("a", "BTCUSDT", Side.BUY, lots, update.price - 20_000)
    assert isinstance(host.place(account, bid), OrderReport)
    released, reason = host.advance(100_000, until_report=True)
    assert reason is Stopped.REPORT
    reports = host.exchange.reports_after(account, 1)
    assert len(reports) == 1  # the order's own is number 1, the market went no further
    assert host.position == 5 + released

    band = Band("BTCUSDT", update.price - 40_000, update.price + 40_000)
    _, reason = host.advance(100_000, band=band)
    assert reason is Stopped.PRICE
    after = host.exchange.last_price("BTCUSDT")
    assert after is not None
    assert band.left_by(after.price)


def test_a_band_holds_both_its_ends() -> None:
    band = Band("BTCUSDT", Price(10), Price(20))
    assert [band.left_by(Price(ticks)) for ticks in (9, 10, 20, 21)] == [True, False, False, True]
    assert not Band("BTCUSDT", None, None).left_by(Price(1))


def test_only_what_is_due_is_released_by_the_clock(books: Books) -> None:
    host = books.open()
    due = host.next_at
    assert due is not None
    assert host.move(10, due - timedelta(microseconds=1)) == 0
    assert host.move(10, due) == 1
    assert host.move(3, due + timedelta(days=1)) == 3


# ---- the market


def candles(path: Path, count: int) -> Path:
    rows = (f"{60_000 * n},{100 + n},{101 + n},{99 + n},{100 + n}.5,1.25\n" for n in range(count))
    path.write_bytes(gzip.compress((CANDLES + "".join(rows)).encode()))
    return path


def drain(source: Source, count: int) -> list[Any]:
    events = []
    for _ in range(count):
        events.append(source.peek())
        source.take()
    return events


def test_a_tape_in_a_loop_goes_on_with_times_that_increase(tmp_path: Path) -> None:
    tape = candles(tmp_path / "x_spot_BTCUSDT_1m.csv.gz", 3)
    source = open_source(ExchangeSettings(data=tmp_path, tape=tape, loop=True))
    assert source.begin(START) == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    events = drain(source, 7)
    times = [event.at for event in events]
    assert times == [times[0] + n * timedelta(minutes=1) for n in range(7)]
    assert events[3].candle.close == events[0].candle.close
    mark = source.mark()
    rest = drain(source, 4)
    source.seek(mark)
    assert drain(source, 4) == rest


def test_a_tape_without_a_loop_ends(tmp_path: Path) -> None:
    tape = candles(tmp_path / "x_usdm_BTCUSDT_1m.csv.gz", 3)
    source = open_source(ExchangeSettings(data=tmp_path, tape=tape))
    assert source.instruments[0].kind is MarketKind.PERPETUAL
    assert drain(source, 4)[-1] is None


def test_the_same_seed_is_the_same_market_and_can_be_gone_on_with(tmp_path: Path) -> None:
    one, two = (open_source(made(tmp_path, seed=3)) for _ in range(2))
    for source in (one, two):
        source.begin(START)
    drain(one, 50)
    two.seek(one.mark())
    assert drain(one, 50) == drain(two, 50)
    other = open_source(made(tmp_path, seed=4))
    assert other.origin != one.origin


def test_a_made_market_begins_at_its_first_start_and_remembers_that(tmp_path: Path) -> None:
    settings = ExchangeSettings(data=tmp_path)
    times = []
    for _ in range(2):
        source = open_source(settings)
        journal = Journal(tmp_path, source.origin)
        host = Host(source, journal, STARTING_BALANCES, Decimal(0))
        times.append(host.next_at)
        journal.close()
    assert times[0] == times[1]


def test_steps_are_those_that_all_numbers_are_multiples_of() -> None:
    assert step_of(["61800.20", "61800.3"]) == Decimal("0.1")
    assert step_of(["5", "10.000"]) == 1
    assert step_of(["0.00001000"]) == Decimal("0.00001")


def test_a_symbol_must_tell_its_quote_asset() -> None:
    assert instrument_of("ETHBTC", MarketKind.SPOT).base == "ETH"
    unified = instrument_of("BTC/USDT:USDT", MarketKind.PERPETUAL)
    assert (unified.symbol, unified.base, unified.quote) == ("BTC/USDT:USDT", "BTC", "USDT")
    assert unified.tick_size == instrument_of("BTCUSDT", MarketKind.PERPETUAL).tick_size
    with pytest.raises(InvalidValueError, match="was XYZ"):
        instrument_of("XYZ", MarketKind.SPOT)


# ---- the clock


def test_market_time_runs_at_its_speed_and_stands_still_when_paused() -> None:
    wall = [100.0]
    clock = MarketClock(START, Decimal(60), lambda: wall[0])
    wall[0] += 2
    assert clock.now() == START + timedelta(minutes=2)
    assert clock.wall_until(START + timedelta(minutes=5)) == pytest.approx(3)
    clock.pause()
    wall[0] += 10
    assert clock.now() == START + timedelta(minutes=2)
    assert clock.wall_until(START + timedelta(minutes=5)) is None
    clock.resume()
    clock.set_speed(Decimal(1))
    wall[0] += 10
    assert clock.now() == START + timedelta(minutes=2, seconds=10)
    clock.jump(START)  # time never runs backwards
    assert clock.now() == START + timedelta(minutes=2, seconds=10)
    clock.jump(START + timedelta(hours=1))
    assert clock.now() == START + timedelta(hours=1)
    with pytest.raises(InvalidValueError, match="-1"):
        clock.set_speed(Decimal(-1))


# ---- settings and faults


@pytest.mark.parametrize(
    "changes, told",
    [
        ({"speed": Decimal(-1)}, "speed"),
        ({"start_price": Decimal(0)}, "start price"),
        ({"volatility": Decimal(-1)}, "volatility"),
        ({"listen": "50051"}, "HOST:PORT"),
        ({"listen": "localhost:99999"}, "65535"),
        ({"listen": "10.0.0.1:1"}, "--insecure-listen"),
        ({"listen": "example.com:1"}, "--insecure-listen"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidValueError, match=told):
        ExchangeSettings(data=tmp_path, **changes)


def test_loopback_needs_no_flag(tmp_path: Path) -> None:
    for listen in ("127.0.0.1:0", "localhost:1", "[::1]:1"):
        assert ExchangeSettings(data=tmp_path, listen=listen).listen == listen


def test_faults_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(
        "- {method: PlaceOrder, kind: lost_answer, every: 3, count: 2}\n"
        "- {method: CancelOrder, kind: rate_limit, delay_seconds: 1.5, client_id: 'q*'}\n"
    )
    lost, limited = read_faults(path)
    assert lost == FaultRule(method="PlaceOrder", kind=FaultKind.LOST_ANSWER, every=3, count=2)
    assert limited.delay == timedelta(seconds=1.5)


@pytest.mark.parametrize(
    "text, told",
    [
        ("- {method: PlaceOrder}", "kind"),
        ("- {method: PlaceOrder, kind: refuse, oops: 1}", "oops"),
        ("- {method: PlaceOrder, kind: refuse, every: 0}", "every"),
        ("[", "not a list"),
        ("just text", "not a list"),
    ],
)
def test_a_wrong_file_of_faults_is_refused(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "faults.yaml"
    path.write_text(text)
    with pytest.raises(InvalidValueError, match=told):
        read_faults(path)
    with pytest.raises(InvalidValueError, match="No such file"):
        read_faults(tmp_path / "none.yaml")


def test_rules_count_for_themselves_and_start_over_when_replaced() -> None:
    rules = [
        FaultRule(method="PlaceOrder", kind=FaultKind.LOST_ANSWER, every=2),
        FaultRule(method="PlaceOrder", kind=FaultKind.UNAVAILABLE, count=1),
    ]
    plan = FaultPlan(rules)
    played = [[rule.kind for rule in plan.strike("PlaceOrder", ["a"])] for _ in range(4)]
    assert played == [
        [FaultKind.UNAVAILABLE],
        [FaultKind.LOST_ANSWER],
        [],
        [FaultKind.LOST_ANSWER],
    ]
    plan.set(rules)
    assert [rule.kind for rule in plan.strike("PlaceOrder", ["a"])] == [FaultKind.UNAVAILABLE]
    assert plan.strike("CancelOrder", ["a"]) == []
