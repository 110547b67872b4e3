"""A rehearsal as a picture: the price, the storms, and what the grid was worth with and without."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from workers.rehearsal.rehearse import Point, Rehearsal
from workers.svg import FAINT, Panel, sheet, text

_WIDE, _HIGH, _GAP = 1000, 170, 34
_LEFT, _TOP, _RIGHT = 96, 92, 24
_PRICE, _GUARDED, _ALONE, _STORM = "#e8c268", "#8fce8b", "#ef7a85", "#3b4a6b"


def picture(title: str, found: Rehearsal) -> str:
    """Return an SVG: storms are shaded; red is the grid without the monitor, green with it."""
    points = found.guarded.points
    first, last = points[0].at, points[-1].at
    height = _TOP + 2 * (_HIGH + _GAP) + 20
    width = _LEFT + _WIDE + _RIGHT
    price, result = (
        Panel(_LEFT, top, _WIDE, _HIGH, first, last) for top in (_TOP, _TOP + _HIGH + _GAP)
    )
    parts = [
        *sheet(width, height, title),
        text(20, 34, title, size=20),
        text(20, 60, "shaded: the monitor halts entries (times in UTC)", color=FAINT),
    ]
    for storm in found.storms:
        left, right = (price.across(at) for at in (storm.began_at, storm.ended_at or last))
        size = f'width="{max(right - left, 1):.1f}" height="{2 * _HIGH + _GAP}"'
        parts.append(f'<rect x="{left:.1f}" y="{_TOP}" {size} fill="{_STORM}"/>')
    prices = [(point.at, point.price) for point in points]
    parts += price.draw("price", [(_PRICE, prices)])
    results = [(_ALONE, _worth(found.alone.points)), (_GUARDED, _worth(points))]
    parts += result.draw("result", results)
    parts += [
        text(_LEFT, height - 12, f"{first:%Y-%m-%d %H:%M}", color=FAINT),
        text(_LEFT + _WIDE, height - 12, f"{last:%H:%M}", color=FAINT, anchor="end"),
        text(_LEFT + 330, height - 12, "with the monitor", color=_GUARDED),
        text(_LEFT + 530, height - 12, "without", color=_ALONE),
    ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _worth(points: Sequence[Point]) -> list[tuple[datetime, Decimal]]:
    return [(point.at, point.result) for point in points]
