"""A pair's backtest as a picture: what it was worth, what funding brought, when it was held."""

from datetime import datetime
from decimal import Decimal

from domain.arbitrage.pair import Kind
from domain.money import EXACT
from workers.pair_backtest import PairPlayed
from workers.svg import FAINT, Panel, sheet, text

_WIDE, _HIGH, _GAP = 1000, 170, 34
_LEFT, _TOP, _RIGHT = 96, 92, 24
_EQUITY, _FUNDING, _HELD = "#e8c268", "#8fce8b", "#3b4a6b"


def picture(title: str, found: PairPlayed) -> str:
    """Return an SVG: result and funding in quote, the time in which the pair was held shaded."""
    first, last = found.equity[0].at, found.equity[-1].at
    worth, funding = (
        Panel(_LEFT, top, _WIDE, _HIGH, first, last) for top in (_TOP, _TOP + _HIGH + _GAP)
    )
    height = _TOP + 2 * (_HIGH + _GAP) + 20
    parts = [
        *sheet(_LEFT + _WIDE + _RIGHT, height, title),
        text(20, 34, title, size=20),
        text(20, 60, "shaded: the pair is held (times in UTC)", color=FAINT),
    ]
    for begin, end in held(found):
        left, right = worth.across(begin), worth.across(end)
        size = f'width="{max(right - left, 1):.1f}" height="{2 * _HIGH + _GAP}"'
        parts.append(f'<rect x="{left:.1f}" y="{_TOP}" {size} fill="{_HELD}"/>')
    start = found.equity[0].equity
    results = [(point.at, EXACT.subtract(point.equity, start)) for point in found.equity]
    parts += worth.draw("result", [(_EQUITY, results)])
    collected = [(point.at, point.funding) for point in found.equity]
    parts += funding.draw("funding", [(_FUNDING, collected)])
    parts += [
        text(_LEFT, height - 12, f"{first:%Y-%m-%d %H:%M}", color=FAINT),
        text(_LEFT + _WIDE, height - 12, f"{last:%Y-%m-%d %H:%M}", color=FAINT, anchor="end"),
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def held(found: PairPlayed) -> list[tuple[datetime, datetime]]:
    """Return from when to when something was held."""
    spans: list[tuple[datetime, datetime]] = []
    since: datetime | None = None
    base = [Decimal(0), Decimal(0)]
    for trade in found.trades:
        if trade.kind is Kind.ENTER and since is None:
            since = trade.begun_at
        base = [EXACT.add(one, moved.base) for one, moved in zip(base, trade.moved, strict=True)]
        if since is not None and trade.kind is Kind.EXIT and abs(base[1]) == 0:
            spans.append((since, trade.ended_at))
            since = None
    return spans
