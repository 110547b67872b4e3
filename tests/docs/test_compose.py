"""The compose file: what it starts parses, what it sets is a setting, and it has no secrets."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.test_documents import parse, settings
from workflows.names import SEARCH_ATTRIBUTES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if service.get("image") == "opensqt"]


def test_our_services_are_there() -> None:
    assert set(OURS) == {"migrate", "exchange", "worker", "services"}


@pytest.mark.parametrize("name", OURS)
def test_a_command_of_ours_parses(name: str) -> None:
    parse(" ".join(["opensqt", *SERVICES[name]["command"]]))


@pytest.mark.parametrize("line", re.findall(r"opensqt grid [^<\n]+", TEXT))
def test_a_command_in_a_comment_parses(line: str) -> None:
    parse(line)


@pytest.mark.parametrize("name", OURS)
def test_variables_of_ours_are_settings(name: str) -> None:
    assert set(SERVICES[name]["environment"]) <= settings()


def test_what_services_wait_for_exists() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_addresses_are_those_of_services() -> None:
    environment = SERVICES["worker"]["environment"]
    for variable in ("OPENSQT_TEMPORAL", "OPENSQT_EXCHANGE"):
        host, _, port = environment[variable].partition(":")
        assert host in SERVICES
        assert port.isdecimal()


def test_the_exchange_listens_where_the_worker_looks_for_it() -> None:
    port = SERVICES["worker"]["environment"]["OPENSQT_EXCHANGE"].partition(":")[2]
    assert f"--listen=0.0.0.0:{port}" in SERVICES["exchange"]["command"]
    assert "--insecure-listen" in SERVICES["exchange"]["command"]
    assert "ports" not in SERVICES["exchange"]  # it has no password


def test_the_exchange_trades_what_the_examples_do() -> None:
    assert "--symbol=BTC/USDT:USDT" in SERVICES["exchange"]["command"]
    spec = yaml.safe_load((ROOT / "examples" / "demo.yaml").read_text())
    assert spec["symbol"] == "BTC/USDT:USDT"


def test_temporal_is_told_all_search_attributes() -> None:
    told = [word.removeprefix("--name=") for word in SERVICES["attributes"]["command"]]
    assert told[::2] == [key.name for key in SEARCH_ATTRIBUTES]
    assert set(told[1::2]) == {"--type=Keyword"}
    assert "attributes" in SERVICES["worker"]["depends_on"]


def test_no_secret_has_a_default() -> None:
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|SECRET|KEY)\w*)(:?[-?]?)", TEXT)
    assert secrets
    assert {mark for _, mark in secrets} == {":?"}
    assert not re.search(r"(?i)(password|secret|pwd|key):\s*(?!\$\{)\w", TEXT)


def test_ports_are_open_on_this_machine_only() -> None:
    published = [port for service in SERVICES.values() for port in service.get("ports", ())]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_every_variable_to_fill_in_is_in_the_example() -> None:
    named = set(re.findall(r"(?<!\$)\$\{(\w+)", TEXT))
    example = (ROOT / ".env.example").read_text()
    assert named == set(re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE))
    assert re.search(r"^POSTGRES_PASSWORD=$", example, re.MULTILINE)
