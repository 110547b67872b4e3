"""What pictures share: dark SVGs of text, boxes and curves over time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from html import escape
from typing import Final

INK, FAINT, PAPER = "#d8dee9", "#7b8494", "#1b1f27"
_FONT: Final = "font-family:'DejaVu Sans',Verdana,sans-serif"
#: More points than pixels show nothing more.
_MOST: Final = 500

Curve = tuple[str, Sequence[tuple[datetime, Decimal]]]


def sheet(width: int, height: int, title: str) -> list[str]:
    """Return the beginning of an SVG: its size, its title for readers, its paper."""
    return [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" style="{_FONT}">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="{PAPER}"/>',
    ]


def text(
    x: int,
    y: int,
    words: str,
    *,
    size: int = 14,
    weight: str = "normal",
    anchor: str = "start",
    color: str = INK,
) -> str:
    """Return *words* at a place."""
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
        f' fill="{color}">{escape(words)}</text>'
    )


class Panel:
    """A place for curves over the time from *first* to *last*, with its name to the left."""

    def __init__(
        self, left: int, top: int, wide: int, high: int, first: datetime, last: datetime
    ) -> None:
        self.left, self.top, self.wide, self.high = left, top, wide, high
        self._first, self._whole = first, max(last - first, timedelta(seconds=1))

    def across(self, at: datetime) -> float:
        """Return where a moment lies."""
        return self.left + self.wide * ((at - self._first) / self._whole)

    def draw(self, name: str, curves: Sequence[Curve]) -> list[str]:
        """Return the curves, one scale for all of them, and the ends of that scale."""
        values = [value for _, curve in curves for _, value in curve]
        low, high = min(values), max(values)
        span = high - low or Decimal(1)
        parts = [
            text(self.left - 10, self.top + 14, f"{high:,.0f}", color=FAINT, anchor="end"),
            text(self.left - 10, self.top + self.high, f"{low:,.0f}", color=FAINT, anchor="end"),
            text(self.left - 10, self.top + self.high // 2, name, anchor="end"),
        ]
        for color, curve in curves:
            every = max(len(curve) // _MOST, 1)
            line = " ".join(
                f"{self.across(at):.1f},{self.top + self.high * float((high - value) / span):.1f}"
                for at, value in [*curve[::every], curve[-1]]
            )
            parts.append(
                f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.6"/>'
            )
        return parts
