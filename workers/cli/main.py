"""The command `opensqt`: what there is, and how everything that goes wrong ends."""

import contextlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click

from workers.cli.failures import EXIT_CODES, Exit, tell
from workers.cli.lazy import LazyGroup

_COMMANDS = {
    "up": ("workers.cli.up:up", "Start the whole local stack; Ctrl-C ends it."),
    "grid": ("workers.cli.grid:grid", "Preview, start, watch and change grid runs."),
    "pnl": ("workers.cli.pnl:pnl", "Show what runs earned, and that the money adds up."),
    "risk": ("workers.cli.risk:risk", "See what halts openings, halt them, let them go on."),
    "alerts": ("workers.cli.alerts:alerts", "Show what people were told, and try the channels."),
    "reconcile": ("workers.cli.reconcile:reconcile", "Compare runs with their venues."),
    "audit": ("workers.cli.audit:audit", "Show who did what, when and why."),
    "arb": ("workers.cli.arb:arb", "Preview, start, watch and play pairs that earn funding."),
    "portfolio": ("workers.cli.portfolio:portfolio", "Hold the best pairs of several venues."),
    "simple": ("workers.cli.simple:simple", "Run a strategy without Temporal."),
    "doctor": ("workers.cli.doctor:doctor", "Check what works, and say how to fix the rest."),
    "db": ("workers.cli.db:db", "Make, upgrade and check the ledger."),
    "worker": ("workers.cli.services:worker", "Run an account worker."),
    "exchange": ("workers.exchange.cli:exchange", "Run the paper exchange."),
    "crashlab": ("workers.cli.crashlab:crashlab", "Kill everything at every step; ask the books."),
    "version": ("workers.cli.services:version", "Print the versions of the program and its parts."),
}

_EXAMPLES = """\
\b
Examples:
  opensqt up --demo                                a grid trading on paper, in this terminal
  opensqt grid preview examples/first-grid.yaml
  opensqt grid start examples/first-grid.yaml --name my-grid
"""


class Program(LazyGroup):
    """The outermost group: whatever goes wrong below it ends as one message and an exit code."""

    def main(  # type: ignore[override]  # always the end of the program, whoever calls it
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        **extra: Any,
    ) -> NoReturn:
        words = list(sys.argv[1:] if args is None else args)
        extra["standalone_mode"] = False
        try:
            code = super().main(words, prog_name or "opensqt", complete_var, **extra)
            sys.stdout.flush()
        except BrokenPipeError:
            # The reader went away (`| head`): nothing is left to say, also not by the interpreter.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = Exit.FAILED
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            code = Exit.USAGE
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last one to know
            code = tell(error, as_json="--json" in words)
        _leave(int(code) if isinstance(code, int) else Exit.OK, at_once=args is None)


def _leave(code: int, *, at_once: bool) -> NoReturn:
    """End the process; *at_once* when it is ours to end, and not a test's."""
    if at_once and "temporalio" in sys.modules:
        # A thread of its Rust core that lets go of a Python object while the interpreter is being
        # taken down aborts the process (exit code 134), after everything was done and printed.
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


@click.group(
    cls=Program,
    lazy=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=f"{_EXAMPLES}\n{EXIT_CODES}",
)
def main() -> None:
    """Crypto grids that lose nothing when a process dies.

    Every command takes --json: one JSON document on stdout, errors too.
    """
