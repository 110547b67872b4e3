"""The matrix as a picture: an SVG that a browser, and a page on the web, can show."""

from typing import Final

from workers.crashlab.findings import Findings
from workers.crashlab.lab import Task
from workers.crashlab.report import NO_CELL, matrix
from workers.crashlab.steps import MEANING, Step
from workers.svg import FAINT, sheet, text

_WIDE, _HIGH = 118, 46
_LEFT, _TOP = 150, 96
_MEANING: Final = 400
_GOOD, _BAD, _NONE = "#2f5d3a", "#a3333d", "#262b35"


def picture(task: Task, findings: Findings) -> str:
    """Return the SVG: a green cell had kills and no violation, a red one had some."""
    head, *rows = matrix(task, findings)
    width = _LEFT + _WIDE * (len(head) - 1) + _MEANING
    height = _TOP + _HIGH * len(rows) + 20
    verdict = f"{findings.total} kills, {len(findings.violations)} violations"
    title = f"Crash lab{' of pairs' if task.pairs else ''}: {verdict}"
    parts = [
        *sheet(width, height, title),
        text(20, 36, title, size=21, weight="bold"),
        text(20, 60, f"seed {task.seed}; kills by step and process", color=FAINT),
    ]
    parts += [
        text(_middle(column), _TOP - 12, name, anchor="middle", color=FAINT)
        for column, name in enumerate(head[1:])
    ]
    for number, (name, *line) in enumerate(rows):
        parts += _line(number, name, line)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _line(number: int, name: str, line: list[str]) -> list[str]:
    top = _TOP + number * _HIGH
    parts = [text(20, top + 29, name)]
    for column, told in enumerate(line):
        parts.append(_box(column, top, _color(told)))
        kills, _, violations = told.partition(" / ")
        shown = kills if violations in ("", "0") else f"{kills}, {violations} wrong"
        parts.append(text(_middle(column), top + 29, shown, anchor="middle"))
    if name in tuple(Step):
        left = _LEFT + _WIDE * len(line) + 12
        parts.append(text(left, top + 28, MEANING[Step(name)], size=12, color=FAINT))
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
