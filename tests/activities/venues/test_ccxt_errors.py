"""What real answers of venues mean to the gateway: recorded ones, and their tables' worst codes."""

import gzip
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from pydantic import SecretStr

from activities.venues.ccxt.credentials import Credentials, read_secret
from activities.venues.ccxt.meanings import Meaning, Reply
from activities.venues.ccxt.registry import VENUES, quirks_of
from activities.venues.ccxt.rest import Rest
from domain.errors import InvalidValueError
from domain.money import MarketKind

#: What the recorded answers have to mean, by (file's venue, code in the body or HTTP status).
EXPECTED: Mapping[tuple[str, str], Meaning] = {
    ("binance", "-1003"): Meaning.RATE_LIMITED,
    ("binance", "429"): Meaning.RATE_LIMITED,
    ("binance", "-1008"): Meaning.UNAVAILABLE,
    ("binance", "-1007"): Meaning.UNKNOWN,
    ("binance", "-1000"): Meaning.UNKNOWN,
    ("binance", "502"): Meaning.UNAVAILABLE,
    ("binance", "-2013"): Meaning.NOT_FOUND,
    ("binance", "-2011"): Meaning.NOT_FOUND,
    ("binance", "-4164"): Meaning.INVALID,
    ("okx", "51000"): Meaning.INVALID,
    ("okx", "51603"): Meaning.NOT_FOUND,
    ("okx", "50011"): Meaning.RATE_LIMITED,
    ("bybit", "10006"): Meaning.RATE_LIMITED,
    ("gate", "INSUFFICIENT_AVAILABLE"): Meaning.INSUFFICIENT_FUNDS,
    ("gate", "USER_NOT_FOUND"): Meaning.REFUSED,
    ("bitget", "40017"): Meaning.INVALID,
}
#: An order that met one of these may have been placed.
PERHAPS = {Meaning.UNKNOWN, Meaning.UNAVAILABLE}


def reply(status: int | None, headers: Mapping[str, str], body: str | None) -> Reply:
    text = body or ""
    try:
        data = orjson.loads(text)
    except ValueError:
        data = None
    lower = {name.lower(): value for name, value in headers.items()}
    return Reply(status or 400, lower, text, data)


def recorded(shared_data: Path) -> list[dict[str, Any]]:
    with gzip.open(shared_data / "messages" / "rest_errors.jsonl.gz", "rt") as lines:
        return [json.loads(line) for line in lines]


def test_recorded_errors_mean_what_they_say(shared_data: Path) -> None:
    judged = 0
    for row in recorded(shared_data):
        name = row["venue"].split("_")[0]
        if name not in VENUES or row["http_status"] == 200:
            continue
        quirks = quirks_of(name, MarketKind.PERPETUAL)
        quirks.rest = cast("Rest", FakeRest())
        verdict = quirks.verdict(reply(row["http_status"], row["headers"], row["body"]))
        assert verdict is not None, row
        code = verdict.code.removeprefix("HTTP ")
        assert verdict.meaning is EXPECTED[name, code], row
        judged += 1
    assert judged >= 9


class FakeRest:
    """A client that knows what time it is."""

    @property
    def client(self) -> "FakeRest":
        return self

    def milliseconds(self) -> int:
        return 1_660_090_400_000


def test_a_ban_tells_its_end_and_a_limit_its_delay() -> None:
    quirks = quirks_of("binance", MarketKind.PERPETUAL)
    quirks.rest = cast("Rest", FakeRest())
    text = '{"code":-1003,"msg":"Way too much request weight used; IP banned until 1660090423228."}'
    banned = quirks.verdict(reply(418, {}, text))
    assert banned is not None
    assert 23 <= banned.retry_after.total_seconds() <= 24
    limited = quirks.verdict(reply(429, {"Retry-After": "35"}, None))
    assert limited is not None
    assert limited.retry_after.total_seconds() == 35


@pytest.mark.parametrize("kind", list(MarketKind))
@pytest.mark.parametrize("name", list(VENUES))
def test_what_is_not_said_in_a_venues_own_words_is_never_a_definite_no(
    name: str, kind: MarketKind
) -> None:
    quirks = quirks_of(name, kind)
    page = "<html><body>Maintenance</body></html>"
    for status in (200, 400, 404, 408, 500, 502, 503, 504):
        verdict = quirks.verdict(reply(status, {}, page))
        assert verdict is not None
        assert verdict.meaning in PERHAPS, (status, verdict)
    for status in (200, 500):
        verdict = quirks.verdict(reply(status, {}, ""))
        assert verdict is not None
        assert verdict.meaning in PERHAPS


def test_credentials_cannot_be_printed_by_accident() -> None:
    keys = Credentials(SecretStr("the-key"), SecretStr("the-secret"), SecretStr("the-phrase"), "77")
    for shown in (repr(keys), str(keys), f"{keys}"):
        assert "the-" not in shown
    assert keys.redact("the-key said the-secret") == "*** said ***"
    assert keys.config() == {
        "apiKey": "the-key",
        "secret": "the-secret",
        "password": "the-phrase",
        "uid": "77",
    }


def test_a_secret_that_others_can_read_is_refused_without_showing_it(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("very-secret\n")
    path.chmod(0o644)
    with pytest.raises(InvalidValueError, match="chmod 600") as told:
        read_secret(path)
    assert "very-secret" not in str(told.value)
    for mode in (0o600, 0o400):
        path.chmod(mode)
        assert read_secret(path).get_secret_value() == "very-secret"
    with pytest.raises(InvalidValueError, match="cannot be read"):
        read_secret(tmp_path / "absent")
