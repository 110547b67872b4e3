"""The matrix as a picture: an SVG that a browser, and a page on the web, can show."""

from html import escape
from typing import Final

from workers.crashlab.findings import Findings
from workers.crashlab.lab import Task
from workers.crashlab.report import NO_CELL, matrix
from workers.crashlab.steps import MEANING, Step

_WIDE, _HIGH = 118, 46
_LEFT, _TOP = 150, 96
_MEANING: Final = 400
_INK, _FAINT, _PAPER = "#d8dee9", "#7b8494", "#1b1f27"
_GOOD, _BAD, _NONE = "#2f5d3a", "#a3333d", "#262b35"
_FONT: Final = "font-family:'DejaVu Sans',Verdana,sans-serif"


def picture(task: Task, findings: Findings) -> str:
    """Return the SVG: a green cell had kills and no violation, a red one had some."""
    head, *rows = matrix(task, findings)
    width = _LEFT + _WIDE * (len(head) - 1) + _MEANING
    height = _TOP + _HIGH * len(rows) + 20
    verdict = f"{findings.total} kills, {len(findings.violations)} violations"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" style="{_FONT}">',
        f"<title>Crash lab: {verdict}</title>",
        f'<rect width="{width}" height="{height}" fill="{_PAPER}"/>',
        _text(20, 36, f"Crash lab: {verdict}", size=21, weight="bold"),
        _text(20, 60, f"seed {task.seed}; kills by step and process", color=_FAINT),
    ]
    parts += [
        _text(_middle(column), _TOP - 12, name, anchor="middle", color=_FAINT)
        for column, name in enumerate(head[1:])
    ]
    for number, (name, *line) in enumerate(rows):
        parts += _line(number, name, line)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(number: int, name: str, line: list[str]) -> list[str]:
    top = _TOP + number * _HIGH
    parts = [_text(20, top + 29, name)]
    for column, told in enumerate(line):
        parts.append(_box(column, top, _color(told)))
        kills, _, violations = told.partition(" / ")
        shown = kills if violations in ("", "0") else f"{kills}, {violations} wrong"
        parts.append(_text(_middle(column), top + 29, shown, anchor="middle"))
    if name in tuple(Step):
        left = _LEFT + _WIDE * len(line) + 12
        parts.append(_text(left, top + 28, MEANING[Step(name)], size=12, color=_FAINT))
    return parts


def _color(told: str) -> str:
    kills, _, violations = told.partition(" / ")
    if told == NO_CELL or kills == "0":
        return _NONE
    return _GOOD if violations == "0" else _BAD


def _middle(column: int) -> int:
    return _LEFT + column * _WIDE + _WIDE // 2


def _box(column: int, top: int, color: str) -> str:
    left = _LEFT + column * _WIDE
    size = f'width="{_WIDE - 4}" height="{_HIGH - 4}"'
    return f'<rect x="{left + 2}" y="{top + 2}" {size} rx="4" fill="{color}"/>'


def _text(
    x: int,
    y: int,
    text: str,
    *,
    size: int = 14,
    weight: str = "normal",
    anchor: str = "start",
    color: str = _INK,
) -> str:
    return (
        f'<text x="{x}" y="{y}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
        f' fill="{color}">{escape(text)}</text>'
    )
