"""Groups of commands that are loaded when they are used, so that `--help` is there at once."""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that imports a command when it is used; `--help` imports none of them.

    `lazy` maps a name to where the command is (`module:attribute`) and its one line of help;
    `usual` is the one that is meant if none is named.
    """

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, tuple[str, str]] | None = None,
        usual: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self.lazy = dict(lazy or {})
        self.usual = usual

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self.usual and (not args or args[0].startswith("-")) and "--help" not in args:
            args = [self.usual, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in self.lazy:
            return None
        module, _, attribute = self.lazy[cmd_name][0].partition(":")
        command = getattr(import_module(module), attribute)
        assert isinstance(command, click.Command)  # noqa: S101 - the table is ours
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if not name.startswith("-") and name not in self.lazy:
            near = _near(name, list(self.lazy))
            hint = f", did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"there is no command {name!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        formatter: click.HelpFormatter,
    ) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, told) for name, (_, told) in self.lazy.items()])


def _near(word: str, known: Sequence[str]) -> list[str]:
    from difflib import get_close_matches  # noqa: PLC0415  only for a mistake

    return get_close_matches(word, known)
