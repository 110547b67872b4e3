"""Client order ids say whose they are, wherever and whenever they are made."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InvalidValueError
from domain.order_ids import LENGTH, OrderKey, Purpose, decode, encode, run_tag

TAG = run_tag("a run")
ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
KEYS = st.builds(
    OrderKey,
    st.text(ALPHABET, min_size=8, max_size=8),
    st.sampled_from(Purpose),
    st.integers(0, 36**9 - 1),
    st.integers(0, 36**6 - 1),
)


@given(KEYS)
def test_an_id_decodes_to_what_it_was_made_of(key: OrderKey) -> None:
    assert decode(encode(key)) == key


@given(KEYS)
def test_every_venue_accepts_the_form_of_an_id(key: OrderKey) -> None:
    assert len(encode(key)) == LENGTH <= 28
    assert re.fullmatch("[0-9a-z]+", encode(key))


@given(KEYS, KEYS)
def test_two_orders_have_two_ids(one: OrderKey, other: OrderKey) -> None:
    assert (encode(one) == encode(other)) == (one == other)


@given(st.text(max_size=40))
def test_an_id_of_somebody_else_is_not_ours(text: str) -> None:
    key = decode(text)
    assert key is None or encode(key) == text


@given(KEYS, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_a_changed_id_is_not_taken_for_another_of_ours(key: OrderKey, at: int, letter: str) -> None:
    made = encode(key)
    changed = made[:at] + letter + made[at + 1 :]
    found = decode(changed)
    # two letters of checksum: one in 1296 passes, and then it is well-formed
    assert found is None or encode(found) == changed


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "q",
        "web_abc123",
        "x-TBzTen1X0000000000000000",
        encode(OrderKey(TAG, Purpose.ENTRY_BUY, 1, 1)).upper(),
        encode(OrderKey(TAG, Purpose.ENTRY_BUY, 1, 1)) + "0",
        "r" + encode(OrderKey(TAG, Purpose.ENTRY_BUY, 1, 1))[1:],
        "\u0661" * 27,
    ],
)
def test_foreign_ids_are_rejected(foreign: str) -> None:
    assert decode(foreign) is None


def test_the_purpose_has_to_be_a_known_letter() -> None:
    from domain.order_ids import _checksum

    body = encode(OrderKey(TAG, Purpose.ENTRY_BUY, 1, 1))[:-2].replace("b", "z", 1)
    body = "q" + TAG + "z" + body[10:]
    assert decode(body + _checksum(body)) is None


@pytest.mark.parametrize(
    "key,message",
    [
        (OrderKey("short", Purpose.ENTRY_BUY, 1, 1), "run tag"),
        (OrderKey("UPPER123", Purpose.ENTRY_BUY, 1, 1), "run tag"),
        (OrderKey(TAG, Purpose.ENTRY_BUY, -1, 1), "slot key"),
        (OrderKey(TAG, Purpose.ENTRY_BUY, 36**9, 1), "slot key"),
        (OrderKey(TAG, Purpose.ENTRY_BUY, 1, 36**6), "generation"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(key: OrderKey, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        encode(key)


@pytest.mark.parametrize("purpose", Purpose)
def test_only_entries_are_entries(purpose: Purpose) -> None:
    assert purpose.is_entry == (purpose in (Purpose.ENTRY_BUY, Purpose.ENTRY_SELL))


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_ids_are_the_same_in_every_process(seed: str) -> None:
    script = (
        "from domain.order_ids import *;"
        "print(encode(OrderKey(run_tag('a run'), Purpose.EXIT_SELL, 12345, 678)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONHASHSEED": seed},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == encode(OrderKey(TAG, Purpose.EXIT_SELL, 12345, 678))


def test_the_form_of_an_id_is_frozen() -> None:
    """Orders are resting at venues under these names: the form may never change."""
    assert (
        encode(OrderKey("abcd1234", Purpose.ENTRY_BUY, 99_000, 7)) == "qabcd1234b0000024e0000007kw"
    )
