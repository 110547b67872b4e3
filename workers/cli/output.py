"""What commands print: one JSON document for programs, tables for people."""

import os
import sys
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import click

#: Without a terminal nothing is cut off.
_PIPE_WIDTH: Final = 160
_SMALL: Final = Decimal("0.1")


def put_json(document: Any) -> None:
    """Print *document* as the one JSON document of a command; decimals become strings."""
    import json  # noqa: PLC0415  most commands print no JSON

    text = json.dumps(_plain(document), indent=2, ensure_ascii=False)
    click.echo(text)


def number(value: Decimal | None, sign: bool = False) -> str:  # noqa: FBT001, FBT002
    """Return *value* for a person: no exponent, no trailing zeros; a dash if it is not known."""
    if value is None:
        return "–"
    text = f"{value:{'+' if sign else ''},f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "+0") else text


def money(value: Decimal | None, sign: bool = False) -> str:  # noqa: FBT001, FBT002
    """Return a quote amount for a person: two decimals, four if small; a dash if not known."""
    if value is None:
        return "–"
    places = 2 if value == 0 or abs(value) >= _SMALL else 4
    text = f"{value:{'+' if sign else ''},.{places}f}"
    return text.removeprefix("+").removeprefix("-") if not text.strip("+-0.,") else text


class Changes:
    """Prints a line with the time whenever it is another one than before."""

    def __init__(self) -> None:
        self._before = ""

    def __call__(self, told: str) -> None:
        if told != self._before:
            click.echo(f"{datetime.now(UTC):%H:%M:%S}  {told}")
            self._before = told


def console(**options: Any) -> Any:
    """Return a rich console on stdout, as it is now (tests replace it)."""
    from rich.console import Console  # noqa: PLC0415  80 ms, and not every command needs it

    if not sys.stdout.isatty() and "COLUMNS" not in os.environ:
        options.setdefault("width", _PIPE_WIDTH)
    return Console(file=sys.stdout, highlight=False, **options)


def _plain(value: Any) -> Any:
    """Return JSON values of anything a command answers with."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, str | int | bool):
        return value
    return str(value)


def note(text: str) -> None:
    """Print a remark for a person, beside the answer; nothing if there is none."""
    if text:
        click.echo(f"note: {text}", err=True)
