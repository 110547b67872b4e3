"""What the lab tells: the matrix for a terminal and for a document, and the same as JSON."""

from collections.abc import Sequence
from typing import Any, Final

from workers.crashlab.findings import Findings
from workers.crashlab.lab import Task
from workers.crashlab.steps import MEANING, Doing, Step, Victim, cells

NO_CELL: Final = "–"
_MOST_SHOWN: Final = 50
PARTIAL: Final = "Interrupted: kills of systems that were still at work are not counted."


def matrix(task: Task, findings: Findings) -> list[list[str]]:
    """Return the rows of the matrix, head first: kills, and behind a slash violations."""
    exist = set(cells(task.steps, task.victims))
    rows = [["step", *task.victims, "all"]]
    for step in task.steps:
        line = [_cell(findings, [(step, victim)], exist) for victim in task.victims]
        rows.append([step, *line, _cell(findings, [(step, v) for v in task.victims], exist)])
    columns = [_cell(findings, [(s, v) for s in task.steps], exist) for v in task.victims]
    rows.append(["all", *columns, f"{findings.total} / {len(findings.violations)}"])
    return rows


def document(task: Task, findings: Findings) -> dict[str, Any]:
    """Return everything as what JSON can hold."""
    return {
        "seed": task.seed,
        "venues": list(task.venues),
        "pairs": task.pairs,
        "look_up_before_resend": task.look_up,
        "compensation": task.compensates,
        "kills": findings.total,
        "violations": [
            {
                "step": each.cell[0],
                "process": each.cell[1],
                "scenario": each.scenario,
                "run": each.grid,
                "what": each.what,
                "kills_before": each.kills,
            }
            for each in findings.violations
        ],
        "matrix": [
            {
                "step": step,
                "process": victim,
                "kills": findings.kills[step, victim],
                "violations": findings.violations_in((step, victim)),
            }
            for step, victim in cells(task.steps, task.victims)
        ],
        "kills_by_venue": dict(findings.by_grid),
        "checks": findings.checks,
        "orders": findings.orders,
        "fills": findings.fills,
        "deaths_of_their_own": findings.deaths_of_their_own,
        "recovery_seconds": _recovery(findings),
        "kills_by_doing": dict(findings.by_doing),
        "debts": {victim: _debts(findings, victim) for victim in task.victims},
        "seconds": round(findings.seconds, 1),
        "interrupted": findings.interrupted,
    }


def markdown(task: Task, findings: Findings, command: str) -> str:
    """Return the report as a document."""
    head, *rows = matrix(task, findings)
    took = f"{findings.seconds / 60:.0f} minutes"
    wrong = f"**{len(findings.violations)} violations**"
    lines = [
        f"{findings.total} kills in {took}, {wrong}. Seed {task.seed}, command:",
        "",
        "```sh",
        command,
        "```",
        "",
        "Each cell: kills / violations.",
        "",
        *([PARTIAL, ""] if findings.interrupted else []),
        _row(head),
        _row(["---", *["--:"] * (len(head) - 1)]),
        *map(_row, rows),
        "",
        *_figures(findings),
        "",
        f"| venue | kills that hit a {'leg' if task.pairs else 'grid'} there |",
        "|---|--:|",
        *(_row([name, str(kills)]) for name, kills in sorted(findings.by_grid.items())),
    ]
    if task.pairs:
        lines += ["", *_of_pairs(task, findings)]
    if findings.violations:
        lines += ["", "Violations:", ""]
        lines += [
            f"- {each.cell[0]} × {each.cell[1]}, {each.scenario} {each.grid}: {each.what}"
            for each in findings.violations[:_MOST_SHOWN]
        ]
    return "\n".join(lines) + "\n"


def _of_pairs(task: Task, findings: Findings) -> list[str]:
    """Return what the trades were about, and how long they had debts."""
    lines = ["| the trade was about | kills |", "|---|--:|"]
    lines += [_row([doing, str(findings.by_doing[doing])]) for doing in Doing]
    lines += ["", "| killed | debts | middle | 95 of 100 | longest |", "|---|--:|--:|--:|--:|"]
    for victim in task.victims:
        told = _debts(findings, victim)
        if told is not None:
            seconds = (f"{told[name]} s" for name in ("median", "p95", "most"))
            lines.append(_row([victim, str(told["count"]), *seconds]))
    return lines


def _debts(findings: Findings, victim: Victim) -> dict[str, float] | None:
    """Return how long debts were open, in rounds in which *victim* was killed; None: none was."""
    told = sorted(seconds for who, seconds in findings.debts if who is victim)
    if not told:
        return None
    return {
        "count": len(told),
        "median": round(told[len(told) // 2], 1),
        "p95": round(told[len(told) * 95 // 100], 1),
        "most": round(told[-1], 1),
    }


def legend(steps: Sequence[Step]) -> list[str]:
    """Return what the rows mean."""
    return [f"{step}: {MEANING[step]}" for step in steps]


def _figures(findings: Findings) -> list[str]:
    told = _recovery(findings)
    seen = f"{findings.orders} orders and {findings.fills} fills at the exchange"
    lines = [f"{findings.checks} times the books were asked: {seen}."]
    if told:
        lines.append(
            f"From a kill to the next step reached: {told['median']} s in the middle, "
            f"{told['most']} s at most."
        )
    return lines


def _recovery(findings: Findings) -> dict[str, float] | None:
    told = sorted(findings.recoveries)
    if not told:
        return None
    return {"median": round(told[len(told) // 2], 1), "most": round(told[-1], 1)}


def _cell(
    findings: Findings, some: Sequence[tuple[Step, Victim]], exist: set[tuple[Step, Victim]]
) -> str:
    real = [cell for cell in some if cell in exist]
    if not real:
        return NO_CELL
    kills = sum(findings.kills[cell] for cell in real)
    return f"{kills} / {sum(map(findings.violations_in, real))}"


def _row(cells_: Sequence[str]) -> str:
    return f"| {' | '.join(cells_)} |"
