"""The picture of a run, compared as text."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from rich.console import Console

from domain.grid.view import GridStatus, SlotView
from workers.cli.book import FillLine
from workers.cli.ladder import View, at_price, line, render

D = Decimal
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
STATUS = GridStatus(
    symbol="BTC/USDT:USDT",
    account="paper",
    direction="neutral",
    phase="running",
    risk="clear",
    feed="live",
    price=D("60123.4"),
    center=D(60120),
    interval=D(30),
    working_orders=4,
    slots_held=1,
    position=D("0.003"),
    grid_profit=D("12.3456"),
    floating=D("-1.2"),
    fees=D("3.1"),
    total=D("8.0456"),
    volume=D(12345),
    cycles=5,
    fills=13,
    quiet_low=D(60105),
    quiet_high=D(60135),
)


def _order(level: int, what: str, price: int, filled: str = "0", **more: str) -> SlotView:
    return SlotView(
        level=D(level),
        exit=D(level + 30),
        state=more.pop("state", "locked"),
        held=D(more.pop("held", "0")),
        order=what,
        order_price=D(price),
        quantity=D("0.003"),
        filled=D(filled),
        note=more.pop("note", ""),
    )


SLOTS = (
    _order(60180, "entry sell", 60180),
    _order(60150, "entry sell", 60150, "0.001"),
    _order(60090, "exit sell", 60130, held="0.003"),
    _order(60090, "entry buy", 60090, state="pending"),
    _order(60060, "entry buy", 60060, note="outcome unknown, being looked up"),
    SlotView(D(60030), D(60060), "free", D("0.0001")),
)
FILLS = tuple(
    FillLine(
        NOON - timedelta(seconds=n),
        "buy" if n % 2 else "sell",
        D(60130 - n),
        D("0.003"),
        D("0.036"),
        "USDT",
        n != 1,
    )
    for n in range(3)
)
VIEW = View("demo", STATUS, SLOTS, FILLS)


def _text(view: View, width: int = 80, height: int = 24, *, plain: bool = False) -> list[str]:
    console = Console(width=width, height=height, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(render(view, width, height, plain=plain))
    return [row.rstrip() for row in capture.get().splitlines()]


def test_a_picture_of_80_columns_in_ascii() -> None:
    assert _text(VIEW, plain=True) == [
        "demo - BTC/USDT:USDT neutral - running - feed live - risk clear",
        "price 60,123.4  quiet 60,105 to 60,135 - position +0.003 BTC",
        "-" * 80,
        "    60,180  sell   0.003  ........  entry",
        "    60,150  sell   0.003  ##......  entry",
        "    60,130  sell   0.003  ........  exit of 60,090",
        "> 60,123.4",
        "    60,090  buy    0.003  ........  entry (sending)",
        "    60,060  buy    0.003  ........  entry (outcome unknown, being looked up)",
        "    60,030        0.0001            held, no order",
        "12:00:00  sell  0.003  @ 60,130  maker",
        "11:59:59  buy   0.003  @ 60,129  taker",
        "11:59:58  sell  0.003  @ 60,128  maker",
        "-" * 80,
        "grid +12.35  floating -1.20  fees -3.10  total +8.05 USDT  5 cycles, 13 fills",
    ]


def test_a_wide_picture_has_the_fills_beside_the_ladder() -> None:
    rows = _text(VIEW, 110, 30)
    first = next(row for row in rows if "60,180" in row)
    assert first.endswith("12:00:00  sell  0.003  @ 60,130  maker")


@pytest.mark.parametrize("width", [20, 40, 60, 80, 99, 100, 200])
@pytest.mark.parametrize("height", [8, 12, 24, 60])
def test_no_picture_is_larger_than_its_terminal(width: int, height: int) -> None:
    many = tuple(_order(60000 + 30 * n, "entry sell", 60000 + 30 * n) for n in range(40))
    rows = _text(View("demo", STATUS, many, FILLS * 4, "a note"), width, height)
    assert max(map(len, rows)) <= width
    assert len(rows) < height


def test_the_orders_nearest_to_the_price_are_shown_first() -> None:
    many = tuple(_order(59000 + 30 * n, "entry buy", 59000 + 30 * n) for n in range(80))
    rows = _text(View("demo", STATUS, many, ()), 80, 16)
    shown = [row.split()[0] for row in rows if " buy " in row]
    around = sorted((s.level for s in many), key=lambda level: abs(level - D("60123.4")))
    assert {D(text.replace(",", "")) for text in shown} <= set(around[: len(shown) + 4])
    assert any("more" in row for row in rows)


def test_a_part_that_is_filled_shows_and_only_the_whole_is_full() -> None:
    little = _order(60180, "entry sell", 60180, "0.0001")
    nearly = _order(60150, "entry sell", 60150, "0.0029")
    rows = _text(View("demo", STATUS, (little, nearly), ()), plain=True)
    assert "#......." in rows[3]
    assert "#######." in rows[4]


def test_a_stale_feed_a_halt_and_a_pause_are_visible() -> None:
    status = replace(STATUS, feed="stale", risk="halted: by hand", phase="paused", why="news")
    rows = _text(View("demo", status, (), ()), plain=True)
    assert rows[0].startswith("demo - BTC/USDT:USDT neutral - paused (news) - feed stale - risk ha")


def test_a_run_without_price_orders_and_fills_has_a_picture() -> None:
    status = replace(STATUS, price=None, quiet_low=None, quiet_high=None, position=D(0))
    rows = _text(View("demo", status, (), (), "waits"), plain=True)
    assert rows[1] == "price –  - position flat".replace("–  -", "– -")
    assert rows[-1] == "waits"


def test_a_newer_price_changes_what_is_held_exactly() -> None:
    moved = at_price(STATUS, D("60223.4"))
    assert (moved.floating, moved.total) == (D("-0.9"), D("8.3456"))
    assert at_price(STATUS, D("60123.4")) == STATUS


def test_one_line_says_the_same() -> None:
    assert line(VIEW) == (
        "demo  running, feed live  price 60,123.4  orders 4  position 0.003  cycles 5  fills 13  "
        "grid +12.35  total +8.05 USDT"
    )


def test_one_line_says_why_nothing_is_opened() -> None:
    halted = replace(VIEW, status=replace(STATUS, risk="halted: the breaker of overall is open"))
    assert line(halted) == f"{line(VIEW)}  halted: the breaker of overall is open"
