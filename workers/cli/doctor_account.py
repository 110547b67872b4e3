"""`opensqt doctor --account`: what an account can do at its venue, before any order."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

from workers.checks.account import admitted
from workers.checks.examine import Examination, can_trade
from workers.checks.findings import Finding, Result
from workers.cli.output import console, put_json
from workers.settings import Settings

_STYLES: Final = {
    Result.OK: "green",
    Result.WARNING: "yellow",
    Result.FAILED: "bold red",
    Result.SKIPPED: "dim",
    Result.INTERRUPTED: "dim",
}


async def examine(settings: Settings, account: str, symbol: str | None, *, as_json: bool) -> bool:
    """Print what every check of *account* came to, and return whether it can trade.

    Interrupted, it shows a person what was found so far.
    """
    async with admitted(settings, account, symbol) as patient:
        examination = Examination(patient)
        try:
            await examination.run()
        except asyncio.CancelledError:
            if not as_json:  # whose one document tells of the interruption
                _show(account, patient.symbol, examination.findings, as_json=False)
            raise
    _show(account, patient.symbol, examination.findings, as_json=as_json)
    return can_trade(examination.findings)


def _show(account: str, symbol: str, findings: list[Finding], *, as_json: bool) -> None:
    if as_json:
        told = {"account": account, "symbol": symbol, "can_trade": can_trade(findings)}
        put_json({**told, "checks": findings})
        return
    screen = console()
    screen.print(_table(findings))
    screen.print(_summary(account, findings))


def _table(findings: Sequence[Finding]) -> Any:
    from rich import box  # noqa: PLC0415  slow to load, and not needed for JSON
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("check", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_column("what it means", overflow="fold")
    table.add_column("fix", overflow="fold")
    for each in findings:
        result = Text(each.result.value, style=_STYLES[each.result])
        table.add_row(each.check, result, Text(each.told), Text(each.fix))
    return table


def _summary(account: str, findings: list[Finding]) -> str:
    failed = [each.check for each in findings if each.result is Result.FAILED]
    if any(each.result is Result.INTERRUPTED for each in findings):
        return f"{account} was not examined to the end. No order was sent."
    if failed:
        return f"{account} cannot trade: {', '.join(failed)}. No order was sent."
    return f"{account} can trade. No order was sent."
