"""The picture of a run: a pure function from what is known of it to lines of a terminal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from domain.grid.view import GridStatus, SlotView
from domain.money import EXACT, add
from workers.cli.book import FillLine
from workers.cli.output import money, number

_BAR: Final = 8
#: Two columns, the ladder and the fills, from this width on; below it they share one.
_WIDE: Final = 100
_NARROW_FILLS: Final = 5
#: The ladder keeps at least so many lines when fills stand below it.
_LEAST_LADDER: Final = 6
_LEAST_WITH_REST: Final = 2
_COLORS: Final = {"buy": "green", "sell": "red"}
_PHASES: Final = {"running": "bold green", "paused": "bold yellow", "stopping": "bold yellow"}


@dataclass(frozen=True, slots=True)
class View:
    """All that is shown of a run at one moment; `note` is what a person should know besides."""

    name: str
    status: GridStatus
    slots: Sequence[SlotView]
    fills: Sequence[FillLine]
    note: str = ""


def at_price(status: GridStatus, price: Decimal) -> GridStatus:
    """Return *status* with the market at *price*: what is held is worth that much more or less."""
    if status.price is None:
        return replace(status, price=price)
    moved = EXACT.multiply(status.position, EXACT.subtract(price, status.price))
    return replace(
        status,
        price=price,
        floating=add(status.floating, moved),
        total=add(status.total, moved),
    )


def render(view: View, width: int = 80, height: int = 24, *, plain: bool = False) -> RenderableType:
    """Return the picture of *view* for a terminal of that size; *plain* uses ASCII only."""
    room = max(height - 6 - bool(view.note), 1)  # head, foot, two rules, and where the cursor is
    body: RenderableType
    if width >= _WIDE:
        body = Table.grid(padding=(0, 4))
        body.add_row(_ladder(view, room, plain=plain), _fills(view.fills[:room]))
    else:
        fills = view.fills[: min(_NARROW_FILLS, max(0, room - _LEAST_LADDER))]
        body = Group(
            _ladder(view, room - len(fills), plain=plain), *([_fills(fills)] * bool(fills))
        )
    rule = Text(("-" if plain else "─") * min(width, 120), style="dim")
    return Group(*_head(view.status, view.name, plain=plain), rule, body, rule, *_foot(view))


def line(view: View) -> str:
    """Return the picture in one line, for logs and terminals that cannot redraw."""
    status = view.status
    risk = "" if status.risk == "clear" else f"  {status.risk}"  # else nobody knows why it waits
    return (
        f"{view.name}  {status.phase}, feed {status.feed}  price {number(status.price)}  "
        f"orders {status.working_orders}  position {number(status.position)}  "
        f"cycles {status.cycles}  fills {status.fills}  "
        f"grid {money(status.grid_profit, sign=True)}  "
        f"total {money(status.total, sign=True)} {_quote(status)}{risk}"
    )


def _head(status: GridStatus, name: str, *, plain: bool) -> list[Text]:
    dot = " - " if plain else " · "
    feed = ("green" if status.feed == "live" else "bold red", f"feed {status.feed}")
    risk = ("green" if status.risk == "clear" else "bold red", f"risk {status.risk}")
    first = Text(no_wrap=True, overflow="ellipsis")
    first.append(name, style="bold")
    first.append(f"{dot}{status.symbol} {status.direction}{dot}")
    first.append(status.phase, style=_PHASES.get(status.phase, "bold"))
    if status.why:
        first.append(f" ({status.why})")
    for style, told in (feed, risk):
        first.append(dot)
        first.append(told, style=style)
    second = Text(no_wrap=True, overflow="ellipsis")
    second.append("price ", style="dim")
    second.append(number(status.price), style="bold cyan")
    second.append(_band(status), style="dim")
    second.append(f"{dot}position ", style="dim")
    side = "green" if status.position > 0 else "red" if status.position < 0 else ""
    second.append(number(status.position, sign=True) if status.position else "flat", style=side)
    second.append(f" {status.symbol.partition('/')[0]}" if status.position else "")
    return [first, second]


def _band(status: GridStatus) -> str:
    if status.quiet_low is None or status.quiet_high is None or not status.quiet_low:
        return ""
    return f"  quiet {number(status.quiet_low)} to {number(status.quiet_high)}"


def _ladder(view: View, room: int, *, plain: bool) -> Table:
    """Return the orders from the highest price down, with the market among them."""
    table = Table.grid(padding=(0, 2))
    for justify in ("right", "left", "right", "left", "left"):
        table.add_column(justify=justify, no_wrap=True)
    price = view.status.price
    rows = sorted(view.slots, key=_place, reverse=True)
    above = [slot for slot in rows if price is not None and _place(slot) > price]
    shown_above, shown_below = _nearest(above, rows[len(above) :], room - 1)
    for slot in shown_above:
        table.add_row(*_row(slot, plain=plain))
    if price is not None:
        marker = f"{'>' if plain else '▶'} {number(price)}"
        told = "" if rows else "no orders"
        table.add_row(Text(marker, style="bold cyan"), Text(told, style="dim"))
    for slot in shown_below:
        table.add_row(*_row(slot, plain=plain))
    hidden = len(rows) - len(shown_above) - len(shown_below)
    if hidden and room > _LEAST_WITH_REST:
        table.add_row("", Text("..." if plain else "…", style="dim"), "", f"{hidden} more")
    return table


def _nearest(
    above: list[SlotView], below: list[SlotView], room: int
) -> tuple[list[SlotView], list[SlotView]]:
    """Return what of both sides fits into *room* lines, nearest to the price first."""
    if len(above) + len(below) > room:
        room = max(room - 1, 0)  # a line tells how many are left out
    from_above = min(len(above), max(room // 2, room - len(below)))
    return above[len(above) - from_above :], below[: room - from_above]


def _place(slot: SlotView) -> Decimal:
    return slot.level if slot.order_price is None else slot.order_price


def _row(slot: SlotView, *, plain: bool) -> tuple[Text, Text, Text, Text, Text]:
    kind, _, side = slot.order.partition(" ")
    style = _COLORS.get(side, "dim")
    what = kind or ("held, no order" if slot.held else slot.state)
    if kind == "exit":
        what = f"exit of {number(slot.level)}"
    note = slot.note or ("sending" if slot.order and slot.state == "pending" else "")
    quantity = number(slot.quantity if slot.order else slot.held)
    return (
        Text(number(_place(slot)), style=style),
        Text(side, style=style),
        Text(quantity),
        Text(_bar(slot, plain=plain), style=style),
        Text(f"{what}{f' ({note})' if note else ''}", style="dim"),
    )


def _bar(slot: SlotView, *, plain: bool) -> str:
    """Return how much of an order is filled; any part shows, and only the whole is full."""
    if not slot.order or not slot.quantity:
        return " " * _BAR
    full, empty = ("#", ".") if plain else ("█", "·")
    done = int(slot.filled * _BAR / slot.quantity)
    if slot.filled and not done:
        done = 1
    return full * done + empty * (_BAR - done)


def _fills(fills: Sequence[FillLine]) -> RenderableType:
    if not fills:
        return Text("no fills yet", style="dim")
    table = Table.grid(padding=(0, 2))
    for justify in ("left", "left", "right", "right", "left"):
        table.add_column(justify=justify, no_wrap=True)
    for fill in fills:
        table.add_row(
            Text(f"{fill.at:%H:%M:%S}", style="dim"),
            Text(fill.side, style=_COLORS[fill.side]),
            number(fill.quantity),
            f"@ {number(fill.price)}",
            Text("maker" if fill.maker else "taker", style="dim"),
        )
    return table


def _foot(view: View) -> list[Text]:
    status = view.status
    foot = Text(no_wrap=True, overflow="ellipsis")
    parts = (
        ("grid ", status.grid_profit),
        ("  floating ", status.floating),
        ("  fees ", -status.fees),
        ("  total ", status.total),
    )
    for name, value in parts:
        foot.append(name, style="dim")
        style = "green" if value > 0 else "red" if value < 0 else ""
        foot.append(money(value, sign=True), style=f"bold {style}" if "total" in name else style)
    foot.append(f" {_quote(status)}")
    foot.append(f"  {status.cycles} cycles, {status.fills} fills", style="dim")
    return [foot, Text(view.note, style="yellow")] if view.note else [foot]


def _quote(status: GridStatus) -> str:
    return status.symbol.partition("/")[2].partition(":")[0]
