"""The documentation against the program: documented, or it fails."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import get_args

import click
import pytest
from pydantic import BaseModel

from domain.grid.spec import GridSpec
from domain.risk.breaker_spec import BreakerSpec
from domain.risk.emergency import EmergencySpec
from domain.risk.facts import PreflightSpec
from domain.risk.limits import Limits
from domain.risk.monitor_spec import MonitorSpec
from workers.cli.lazy import LazyGroup
from workers.cli.main import main
from workers.local.temporal import program
from workers.settings import AccountSettings, ChannelSettings, MonitorFeed, Settings

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
CONFIGURATION = (ROOT / "docs" / "configuration.md").read_text()
#: What people type before a command, or instead of it.
BEFORE = re.compile(r"^(?:\$ |\.venv/bin/|[A-Z_]+=\S+ )+")


def leaves(group: LazyGroup, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """Yield every command below *group* with its name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, LazyGroup):
            yield from leaves(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


def commands_in(text: str, binary: str = "opensqt") -> Iterator[str]:
    """Yield the command lines of *binary* in *text*: in code blocks, and between backticks."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            typed = BEFORE.sub("", line.strip())
            if typed.startswith(f"{binary} "):
                yield typed
    prose = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    for quoted in re.findall(r"`([^`]+)`", prose):
        typed = BEFORE.sub("", " ".join(quoted.split()))
        if typed.startswith(f"{binary} "):
            yield typed


def parse(line: str) -> None:
    """Parse *line* as the program would, without doing anything; raises click's errors."""
    words = shlex.split(line.partition(" < ")[0], comments=True)[1:]
    path = "opensqt"
    command: click.Command = main
    while isinstance(command, LazyGroup) and words and not words[0].startswith("-"):
        context = click.Context(command, info_name=path)
        _, found, words = command.resolve_command(context, words)
        assert found is not None
        path, command = f"{path} {found.name}", found
    bare = not words and any(param.required for param in command.params)
    if isinstance(command, LazyGroup) or bare:  # named in prose, not typed
        assert set(words) <= {"--help", "--json"}
        return
    command.make_context(path, words, resilient_parsing="--help" in words)


ALL_COMMANDS = sorted(
    {
        (name, line)
        for name, path in zip(NAMES, DOCUMENTS, strict=True)
        for line in commands_in(path.read_text())
    }
)


@pytest.mark.parametrize(
    "document,line", ALL_COMMANDS, ids=[" in ".join(c[::-1]) for c in ALL_COMMANDS]
)
def test_a_command_in_the_documents_is_one(document: str, line: str) -> None:
    try:
        parse(line)
    except click.ClickException as error:
        pytest.fail(f"{document}: {line}: {error.format_message()}")


def test_commands_are_found_in_the_documents_at_all() -> None:
    assert len(ALL_COMMANDS) > 40
    assert "opensqt grid stop my-grid --mode close" in {line for _, line in ALL_COMMANDS}


@pytest.mark.parametrize(
    "line", ["opensqt gird list", "opensqt up --dmeo", "opensqt grid stop a b"]
)
def test_a_wrong_command_would_be_noticed(line: str) -> None:
    with pytest.raises(click.ClickException):
        parse(line)


OF_TEMPORAL = sorted(
    set(commands_in((ROOT / "docs" / "temporal.md").read_text(), binary="temporal"))
)


@pytest.mark.parametrize("line", OF_TEMPORAL)
def test_a_command_of_temporal_has_these_options(line: str) -> None:
    words = shlex.split(line)[1:]
    path = list(takewhile(lambda word: not word.startswith("-"), words))
    told = subprocess.run([program(), *path, "--help"], capture_output=True, text=True, check=True)
    for option in (word for word in words if word.startswith("--")):
        assert re.search(rf"{option}\b", told.stdout), f"temporal {' '.join(path)} has no {option}"


@pytest.mark.parametrize("name,command", list(leaves(main)), ids=[n for n, _ in leaves(main)])
def test_every_command_and_option_is_documented(name: str, command: click.Command) -> None:
    text = (ROOT / "docs" / "cli.md").read_text()
    sections = re.findall(
        rf"^## opensqt {name}(?: [^\n]*)?\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL
    )
    assert len(sections) == 1, f"docs/cli.md has no section `## opensqt {name}`"
    common = {"as_json"} if name == "exchange" else {"as_json", "data_dir"}
    missing = [
        option.opts[0]
        for option in command.params
        if isinstance(option, click.Option) and option.name not in common
        if not re.search(rf"`{option.opts[0]}[ `]", sections[0])
    ]
    assert not missing, f"docs/cli.md, {name}: {missing} not documented"


def fields_of(model: type[BaseModel], path: str = "") -> Iterator[str]:
    """Yield every field of *model* and of the models in it."""
    for name, field in model.model_fields.items():
        yield path + name
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from fields_of(kind, f"{path}{name}.")


@pytest.mark.parametrize("field", list(fields_of(GridSpec)))
def test_every_field_of_a_grid_is_documented(field: str) -> None:
    assert f"\n| `{field}` |" in CONFIGURATION, f"docs/configuration.md has no row `{field}`"


def test_no_field_is_documented_that_a_grid_does_not_have() -> None:
    grid = CONFIGURATION.partition("## Settings")[0]
    assert set(re.findall(r"^\| `([a-z_.]+)` \|", grid, re.MULTILINE)) == set(fields_of(GridSpec))


def settings() -> set[str]:
    """Return every variable the program reads."""
    known = {f"OPENSQT_{name.upper()}" for name in Settings.model_fields}
    known |= {f"OPENSQT_ACCOUNTS__NAME__{name.upper()}" for name in AccountSettings.model_fields}
    known |= {f"OPENSQT_RISK__BREAKER__{name.upper()}" for name in BreakerSpec.model_fields}
    known |= {f"OPENSQT_RISK__EMERGENCY__{name.upper()}" for name in EmergencySpec.model_fields}
    known |= {f"OPENSQT_RISK__LIMITS__RUN__{name.upper()}" for name in Limits.model_fields}
    known |= {f"OPENSQT_RISK__PREFLIGHT__{name.upper()}" for name in PreflightSpec.model_fields}
    known |= {f"OPENSQT_RISK__MONITOR__{name.upper()}" for name in MonitorSpec.model_fields}
    known |= {f"OPENSQT_MONITOR_FEED__{name.upper()}" for name in MonitorFeed.model_fields}
    known |= {f"OPENSQT_ALERTS__NAME__{name.upper()}" for name in ChannelSettings.model_fields}
    return known | {"OPENSQT_DEBUG"}


def test_every_setting_is_documented_and_no_other() -> None:
    assert set(re.findall(r"^\| `(OPENSQT_\w+)` \|", CONFIGURATION, re.MULTILINE)) == settings()


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_a_document_names_only_settings_that_exist(path: Path) -> None:
    named = set(re.findall(r"OPENSQT_[A-Z0-9_]+", path.read_text()))
    assert named <= settings() | {"OPENSQT_RISK__BREAKER"}  # a part as JSON


def test_defaults_in_the_documents_are_those_of_a_grid() -> None:
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| `?([^`|]*?)`? \|", CONFIGURATION, re.MULTILINE))
    for name, field in GridSpec.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, str | int) and not field.is_required():
            told = json.dumps(default) if isinstance(default, bool) else str(default)
            assert rows[name] == told, f"docs/configuration.md: default of {name}"


# --- links -----------------------------------------------------------------------------------

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def anchors(path: Path) -> set[str]:
    """Return what GitHub makes of the headings of a document."""
    heads = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)
def test_no_link_is_broken(path: Path) -> None:
    broken = []
    for link in LINK.findall(path.read_text()):
        if link.startswith(("https://", "http://")):
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert not broken


def test_pictures_together_are_small() -> None:
    pictures = list((ROOT / "docs" / "images").glob("*.png"))
    assert pictures
    assert sum(picture.stat().st_size for picture in pictures) < 1024 * 1024
