"""How a command fails: one sentence with the fix, and an exit code that a script can act on."""

import sys
import traceback
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import click

from domain import errors
from workers.cli.output import put_json


class Exit(IntEnum):
    """The exit codes of every command."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    NOT_FOUND = 4
    EXISTS = 5
    INTERRUPTED = 130


EXIT_CODES = """\
Exit codes: 0 done; 1 a check failed or the operation was refused; 2 wrong usage or input;
3 a service cannot be reached; 4 not found; 5 already running or existing; 130 interrupted.
"""


class CommandError(Exception):
    """A command cannot do what was asked; the message says what to do about it."""

    code = Exit.FAILED


class BadInputError(CommandError):
    """What a person wrote is wrong."""

    code = Exit.USAGE


class UnreachableError(CommandError):
    """A service does not answer."""

    code = Exit.UNREACHABLE


class NotFoundError(CommandError):
    """There is nothing of that name."""

    code = Exit.NOT_FOUND


class ExistsError(CommandError):
    """There is something of that name, or it runs, already."""

    code = Exit.EXISTS


def no_temporal(address: str) -> UnreachableError:
    """Return the error of a Temporal that does not answer."""
    return UnreachableError(
        f"Temporal does not answer at {address}: start the stack with `opensqt up`, or set "
        "OPENSQT_TEMPORAL to where it runs"
    )


def exists(name: str, group: str = "grid") -> ExistsError:
    """Return the error of a name that is taken, by a run that the commands of *group* are for."""
    return ExistsError(
        f"a run {name} exists already: see it with `opensqt {group} status {name}`, or start this "
        "one under another --name"
    )


def no_run(name: str, group: str = "grid") -> NotFoundError:
    """Return the error of a name that nobody has."""
    return NotFoundError(f"there is no run {name}: `opensqt {group} list` shows them")


def only_a_leg(name: str, pair: str) -> BadInputError:
    """Return the error of a leg that is named where only a whole run can be meant."""
    return BadInputError(
        f"{name} is a leg of the pair {pair}, and no run of its own: `opensqt arb status {pair}`"
    )


@dataclass(frozen=True, slots=True)
class Failure:
    """What is told of an error."""

    code: Exit
    kind: str
    message: str


_CODES: tuple[tuple[type[Exception], Exit], ...] = (
    (errors.InvalidValueError, Exit.USAGE),
    (errors.AlreadyRunningError, Exit.EXISTS),
    (errors.StoreUnavailableError, Exit.UNREACHABLE),
    (errors.AuthenticationError, Exit.FAILED),
    (errors.VenueError, Exit.UNREACHABLE),
    (errors.TradingError, Exit.FAILED),
)


def describe(error: BaseException) -> Failure:
    """Return what to tell of *error*; what nobody raised on purpose is called a bug."""
    kind = type(error).__name__.removesuffix("Error") or "Error"
    if isinstance(error, CommandError):
        return Failure(error.code, kind, str(error))
    if isinstance(error, click.ClickException):
        return Failure(Exit.USAGE, "Usage", _usage(error))
    if isinstance(error, click.Abort | KeyboardInterrupt):
        return Failure(Exit.INTERRUPTED, "Interrupted", "interrupted")
    for family, code in _CODES:
        if isinstance(error, family):
            return Failure(code, kind, str(error))
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return Failure(
            Exit.FAILED, "System", f"{where}{error.strerror or error}: check its rights and space"
        )
    text = " ".join(str(error).split()) or "no message"
    return Failure(
        Exit.FAILED,
        kind,
        f"unexpected {type(error).__name__}: {text}. This is a bug; OPENSQT_DEBUG=1 shows where",
    )


def tell(error: BaseException, *, as_json: bool) -> Exit:
    """Print *error* for a person on stderr, or as JSON on stdout, and return the exit code."""
    from workers.settings import debugging  # noqa: PLC0415  slow to load, and rarely needed

    failure = describe(error)
    if debugging():
        traceback.print_exception(error, file=sys.stderr)
    if as_json:
        told: dict[str, Any] = {"code": int(failure.code), "kind": failure.kind}
        put_json({"error": told | {"message": failure.message}})
    else:
        click.echo(f"opensqt: {failure.message}", err=True)
    return failure.code


def _usage(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    message = error.format_message().rstrip(".")
    message = message[:1].lower() + message[1:]
    return f"{message} (see `{context.command_path} --help`)" if context else message
