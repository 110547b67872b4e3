"""Client order ids that say whose they are: encode, decode, and nothing else (decision D6).

    q rrrrrrrr p kkkkkkkkk gggggg cc      27 characters, digits and lower-case letters
    | |        | |         |      checksum: a foreign id is told from ours
    | |        | |         generation: counts every order of the run, stored before it is sent
    | |        | key: the slot's entry price in ticks (a leg number for pairs)
    | |        purpose
    | run tag
    mark

The id is a pure function of persisted state: never of an attempt, a clock or a random number. An
update finds its slot by decoding the id, even when all local state is lost.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from typing import Final

from domain.errors import InvalidValueError

_MARK: Final = "q"
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"
_TAG, _KEY, _GENERATION, _CHECK = 8, 9, 6, 2
#: One id is read several times on its way; more than one account has open anywhere.
_READ: Final = 8192
LENGTH: Final = 1 + _TAG + 1 + _KEY + _GENERATION + _CHECK


class Purpose(StrEnum):
    """What an order is for; the letter that stands in its id."""

    ENTRY_BUY = "b"
    ENTRY_SELL = "s"
    EXIT_BUY = "c"
    EXIT_SELL = "d"
    CLOSE_BUY = "x"
    CLOSE_SELL = "y"
    LEAVE_BUY = "l"
    LEAVE_SELL = "m"

    @property
    def is_entry(self) -> bool:
        return self in (Purpose.ENTRY_BUY, Purpose.ENTRY_SELL)

    @property
    def leaves(self) -> bool:
        """Whether it is an order of an emergency exit: its key and generations are its own."""
        return self in (Purpose.LEAVE_BUY, Purpose.LEAVE_SELL)


_PURPOSES: Final = frozenset(purpose.value for purpose in Purpose)


@dataclass(frozen=True, slots=True)
class OrderKey:
    """What an id says."""

    run_tag: str
    purpose: Purpose
    key: int
    generation: int


def run_tag(identity: str) -> str:
    """Return the tag of a run: *identity* must name one start of one run, for ever."""
    digest = int.from_bytes(sha256(identity.encode()).digest()[:8], "big")
    return _base36(digest % 36**_TAG, _TAG, "run tag")


def encode(order: OrderKey) -> str:
    """Return the client order id of *order*, or raise InvalidValueError if a part does not fit."""
    if len(order.run_tag) != _TAG or not set(order.run_tag) <= set(_DIGITS):
        raise InvalidValueError(f"a run tag is {_TAG} of 0-9a-z, was {order.run_tag!r}")
    key = _base36(order.key, _KEY, "slot key")
    generation = _base36(order.generation, _GENERATION, "generation")
    body = f"{_MARK}{order.run_tag}{order.purpose.value}{key}{generation}"
    return body + _checksum(body)


@lru_cache(_READ)
def decode(client_id: str) -> OrderKey | None:
    """Return what *client_id* says, or None if it is not one of ours."""
    body, check = client_id[:-_CHECK], client_id[-_CHECK:]
    if len(client_id) != LENGTH or not set(client_id) <= set(_DIGITS):
        return None
    at = 1 + _TAG
    if body[0] != _MARK or body[at] not in _PURPOSES or _checksum(body) != check:
        return None
    key, generation = int(body[at + 1 : at + 1 + _KEY], 36), int(body[at + 1 + _KEY :], 36)
    return OrderKey(body[1:at], Purpose(body[at]), key, generation)


def _base36(number: int, width: int, what: str) -> str:
    if not 0 <= number < 36**width:
        raise InvalidValueError(f"a {what} lies in 0 .. 36^{width}, was {number}")
    digits = ""
    for _ in range(width):
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


def _checksum(body: str) -> str:
    return _base36(int.from_bytes(sha256(body.encode()).digest()[:4], "big") % 36**2, 2, "checksum")
