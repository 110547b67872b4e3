"""A rehearsal as a picture: the price, the storms, and what the grid was worth with and without."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from html import escape
from typing import Final

from workers.rehearsal.rehearse import Point, Rehearsal

_WIDE, _HIGH, _GAP = 1000, 170, 34
_LEFT, _TOP, _RIGHT = 96, 92, 24
_INK, _FAINT, _PAPER = "#d8dee9", "#7b8494", "#1b1f27"
_PRICE, _GUARDED, _ALONE, _STORM = "#e8c268", "#8fce8b", "#ef7a85", "#3b4a6b"
_FONT: Final = "font-family:'DejaVu Sans',Verdana,sans-serif"
#: More points than pixels show nothing more.
_MOST: Final = 500

Curve = tuple[str, Sequence[tuple[datetime, Decimal]]]


def picture(title: str, found: Rehearsal) -> str:
    """Return an SVG: storms are shaded; red is the grid without the monitor, green with it."""
    points = found.guarded.points
    first, last = points[0].at, points[-1].at
    height = _TOP + 2 * (_HIGH + _GAP) + 20
    width = _LEFT + _WIDE + _RIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" style="{_FONT}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{_PAPER}"/>',
        _text(20, 34, title, size=20),
        _text(20, 60, "shaded: the monitor halts entries (times in UTC)", color=_FAINT),
    ]
    for storm in found.storms:
        left, right = (_across(at, first, last) for at in (storm.began_at, storm.ended_at or last))
        size = f'width="{max(right - left, 1):.1f}" height="{2 * _HIGH + _GAP}"'
        parts.append(f'<rect x="{left:.1f}" y="{_TOP}" {size} fill="{_STORM}"/>')
    prices = [(point.at, point.price) for point in points]
    parts += _panel(_TOP, "price", [(_PRICE, prices)], first, last)
    results = [(_ALONE, _worth(found.alone.points)), (_GUARDED, _worth(points))]
    parts += _panel(_TOP + _HIGH + _GAP, "result", results, first, last)
    parts += [
        _text(_LEFT, height - 12, f"{first:%Y-%m-%d %H:%M}", color=_FAINT),
        _text(_LEFT + _WIDE, height - 12, f"{last:%H:%M}", color=_FAINT, anchor="end"),
        _text(_LEFT + 330, height - 12, "with the monitor", color=_GUARDED),
        _text(_LEFT + 530, height - 12, "without", color=_ALONE),
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _worth(points: Sequence[Point]) -> list[tuple[datetime, Decimal]]:
    return [(point.at, point.result) for point in points]


def _panel(
    top: int, name: str, curves: Sequence[Curve], first: datetime, last: datetime
) -> list[str]:
    values = [value for _, curve in curves for _, value in curve]
    low, high = min(values), max(values)
    span = high - low or Decimal(1)
    parts = [
        _text(_LEFT - 10, top + 14, f"{high:,.0f}", color=_FAINT, anchor="end"),
        _text(_LEFT - 10, top + _HIGH, f"{low:,.0f}", color=_FAINT, anchor="end"),
        _text(_LEFT - 10, top + _HIGH // 2, name, anchor="end"),
    ]
    for color, curve in curves:
        every = max(len(curve) // _MOST, 1)
        shown = [*curve[::every], curve[-1]]
        line = " ".join(
            f"{_across(at, first, last):.1f},{top + _HIGH * float((high - value) / span):.1f}"
            for at, value in shown
        )
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.6"/>')
    return parts


def _across(at: datetime, first: datetime, last: datetime) -> float:
    whole = max(last - first, timedelta(seconds=1))
    return _LEFT + _WIDE * ((at - first) / whole)


def _text(
    x: int, y: int, text: str, *, size: int = 14, color: str = _INK, anchor: str = "start"
) -> str:
    place = f'x="{x}" y="{y}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} fill="{color}">{escape(text)}</text>'
