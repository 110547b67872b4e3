"""Every command explains itself, and the outermost help is there at once."""

import subprocess
import sys
import time
from collections.abc import Iterator

import click
import pytest

from workers.cli.lazy import LazyGroup
from workers.cli.main import main

#: They are groups of one idea; their commands have the examples.
_FOREIGN = ("exchange",)  # documented by its own options


def _commands(group: LazyGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, LazyGroup):
            yield from _commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def _all() -> list[tuple[str, click.Command]]:
    assert isinstance(main, LazyGroup)
    return list(_commands(main))


@pytest.mark.parametrize("name,command", _all(), ids=[name for name, _ in _all()])
def test_every_command_has_help_and_an_example(name: str, command: click.Command) -> None:
    assert command.help
    assert len(command.help) > 20
    for option in command.params:
        if isinstance(option, click.Option) and name not in _FOREIGN:
            assert option.help, f"{name} {option.name}"
    if name not in _FOREIGN:
        assert command.epilog is not None
        assert command.epilog.startswith(f"Example: opensqt {name}")


@pytest.mark.parametrize("name,command", _all(), ids=[name for name, _ in _all()])
def test_every_command_of_ours_takes_json(name: str, command: click.Command) -> None:
    if name in _FOREIGN:
        pytest.skip("it prints one line of JSON anyway")
    assert "as_json" in [option.name for option in command.params]


def test_help_tells_all_exit_codes() -> None:
    context = click.Context(main, info_name="opensqt")
    told = " ".join(main.get_help(context).split())
    for code in (
        "0 done",
        "1 a check",
        "2 wrong usage",
        "3 a service",
        "4 not found",
        "5 already",
        "130",
    ):
        assert code in told


def test_the_outermost_help_loads_nothing_slow() -> None:
    script = (
        "import sys; from workers.cli.main import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "slow = {'temporalio', 'sqlalchemy', 'grpc', 'pydantic', 'rich', 'yaml'}\n"
        "sys.exit(', '.join(sorted(slow & set(sys.modules))) or 0)"
    )
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert time.monotonic() - began < 5  # 0.15 s on an idle machine
