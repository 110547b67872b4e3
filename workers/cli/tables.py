"""What commands show to people: tables of previews, runs, slots and money."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from domain.grid.preview import Preview, PreviewLine
from domain.grid.view import GridStatus, SlotView
from workers.cli.book import AccountMoney, Money, PairMoney, RunLine, RunMoney
from workers.cli.output import money, number

#: A line below the head and nothing between columns: a list has to fit into 80 of them.
_HEAD = box.Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
_COLORS = {"buy": "green", "sell": "red"}


def plain_table(*columns: str, right: Sequence[str] = ()) -> Table:
    """Return an empty table of *columns*, those in *right* flush right."""
    table = Table(box=_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", no_wrap=True)
    return table


def facts_table(rows: Sequence[tuple[str, str]]) -> Table:
    """Return what is said of one thing: its name, and what it is."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    for name, value in rows:
        table.add_row(name, value)
    return table


def preview_table(preview: Preview) -> RenderableType:
    """Return the orders a grid would place, what they need and what stands in the way."""
    numbers = ("price", "quantity", "notional", "exit at", "profit")
    table = plain_table("side", *numbers, right=numbers)
    for line in sorted(preview.orders, key=lambda order: -order.price):
        table.add_row(*_preview_row(line))
    entries = f"{number(preview.capital)} {preview.quote}"
    rows = [
        ("symbol", preview.symbol),
        ("price", number(preview.price)),
        ("orders", f"{len(preview.orders)}, {entries} if every one of them fills"),
        ("fee", f"{number(preview.fee_rate * 100)} % a trade, taken off the profit of each cycle"),
    ]
    if preview.cancels:
        rows.append(("canceled", f"{len(preview.cancels)} of the orders that rest now"))
    parts: list[RenderableType] = [facts_table(rows), Text("")]
    if preview.orders:
        parts += [table]
    parts += [Text(f"! {warning}", style="yellow") for warning in preview.warnings]
    return Group(*parts)


def _preview_row(line: PreviewLine) -> tuple[Any, ...]:
    side = Text(line.side.value, style=_COLORS[line.side.value])
    return (
        side,
        number(line.price),
        number(line.quantity),
        money(line.notional),
        number(line.exit),
        money(line.profit, sign=True),
    )


def runs_table(runs: Sequence[RunLine]) -> RenderableType:
    """Return runs as a list."""
    if not runs:
        return Text(
            "no runs; start one with `opensqt grid start SPEC.yaml`, --all shows ended ones"
        )
    numbers = ("cycles", "fills", "profit", "fees")
    table = plain_table("name", "status", "symbol", "started", *numbers, right=numbers)
    for run in runs:
        table.add_row(
            run.name,
            run.status,
            run.symbol,
            f"{run.started_at:%y-%m-%d %H:%M}",
            str(run.cycles),
            str(run.fills),
            money(run.grid_profit, sign=True),
            money(run.fees),
        )
    return table


def status_table(name: str, status: GridStatus) -> RenderableType:
    """Return what a run is doing."""
    base = status.symbol.partition("/")[0]
    quote = status.symbol.partition("/")[2].partition(":")[0]
    band = f", nothing to decide from {number(status.quiet_low)} to {number(status.quiet_high)}"
    rows = [
        ("run", name),
        ("grid", f"{status.direction} on {status.symbol}, account {status.account}"),
        ("phase", f"{status.phase}{f' ({status.why})' if status.why else ''}"),
        ("feed / risk", f"{status.feed} / {status.risk}"),
        ("price", f"{number(status.price)}{band if status.quiet_low else ''}"),
        ("levels", f"{number(status.interval)} {quote} apart around {number(status.center)}"),
        ("orders", f"{status.working_orders} working, {status.slots_held} slots hold something"),
        ("position", f"{number(status.position)} {base}"),
        ("cycles", f"{status.cycles} ({status.fills} fills, volume {money(status.volume)})"),
        ("grid profit", f"{money(status.grid_profit, sign=True)} {quote}"),
        ("floating", f"{money(status.floating, sign=True)} {quote}"),
        ("fees", f"{money(-status.fees, sign=True)} {quote}"),
        ("total", f"{money(status.total, sign=True)} {quote}"),
    ]
    return facts_table(rows)


def book_table(line: RunLine) -> RenderableType:
    """Return what the ledger alone knows of a run."""
    rows = [
        ("run", line.name),
        ("grid", f"{line.direction} on {line.symbol}, account {line.account}"),
        ("status", line.status),
        ("started", f"{line.started_at:%Y-%m-%d %H:%M:%S} UTC"),
        ("ended", f"{line.ended_at:%Y-%m-%d %H:%M:%S} UTC" if line.ended_at else "–"),
        ("cycles", f"{line.cycles} ({line.fills} fills)"),
        ("grid profit", money(line.grid_profit, sign=True)),
        ("fees", money(-line.fees, sign=True)),
    ]
    return facts_table(rows)


def slots_table(slots: Sequence[SlotView]) -> RenderableType:
    """Return the slots of a run, highest price first."""
    if not slots:
        return Text("no slot is in use")
    numbers = ("level", "exit at", "holds", "price", "filled")
    columns = ("level", "exit at", "state", "holds", "order", "price", "filled", "note")
    table = plain_table(*columns, right=numbers)
    for slot in slots:
        filled = f"{number(slot.filled)}/{number(slot.quantity)}" if slot.order else ""
        side = slot.order.rpartition(" ")[2]
        table.add_row(
            number(slot.level),
            number(slot.exit),
            slot.state,
            number(slot.held) if slot.held else "",
            Text(slot.order, style=_COLORS.get(side, "")),
            number(slot.order_price) if slot.order_price is not None else "",
            filled,
            slot.note,
        )
    return table


def money_table(answer: Money) -> RenderableType:
    """Return what runs earned, and whether the money adds up."""
    if not answer.runs:
        return Text("no runs in the ledger; start one with `opensqt grid start SPEC.yaml`")
    parts: list[RenderableType] = [_runs_money(answer.runs), Text("")]
    if answer.pairs:
        parts += [_pairs_money(answer.pairs), Text("")]
    return Group(*parts, *(_residual(account) for account in answer.accounts))


def _runs_money(runs: Sequence[RunMoney]) -> RenderableType:
    # What prices did to a leg of a pair is seen as a whole only beside the other leg.
    price = "price" if all(run.pair for run in runs) else "grid"
    figures: dict[str, list[Decimal | None]] = {
        price: [run.grid_profit for run in runs],
        "floating": [run.floating for run in runs],
        "funding": [run.funding for run in runs],
        "fees": [-run.fees for run in runs],
        "transfers": [None if run.transfers is None else -run.transfers for run in runs],
        "total": [run.total for run in runs],
    }
    for rare in ("funding", "transfers"):
        if not any(figures[rare]):
            del figures[rare]
    numbers = ("cycles", "fills", "position", *figures)
    table = plain_table("run", *numbers, right=numbers)
    for row, run in enumerate(runs):
        table.add_row(
            run.name,
            "" if run.pair else str(run.cycles),
            str(run.fills),
            number(run.position),
            *(money(amounts[row], sign=True) for amounts in figures.values()),
        )
    return table


def _pairs_money(pairs: Sequence[PairMoney]) -> RenderableType:
    """Return what both legs of each pair earned together."""
    numbers = ("funding", "basis", "slippage", "fees", "total")
    table = plain_table("pair", *numbers, right=numbers)
    for pair in pairs:
        slipped = None if pair.slippage is None else -pair.slippage
        amounts = (pair.funding, pair.basis, slipped, -pair.fees, pair.total)
        table.add_row(pair.name, *(money(amount, sign=True) for amount in amounts))
    return table


def _residual(account: AccountMoney) -> RenderableType:
    where = f"{account.account} {account.symbol}"
    if account.residual is None:
        return Text(f"residual of {where}: not known ({account.note})", style="yellow")
    if account.residual == 0:
        return Text(f"residual of {where}: 0, the money adds up", style="green")
    told = f"residual of {where}: {number(account.residual)}; {account.note}"
    return Text(told, style="bold red")
