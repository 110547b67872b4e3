"""Scripted faults: rules that break calls and streams on purpose, by counting, never by chance.

A rule counts the calls, or stream messages, that it matches and plays on every n-th, at most
`count` times; a batch counts as often as it has orders that match. Counters live as long as the
process; new rules start at zero.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from domain.errors import InvalidValueError
from domain.orders import RefusalReason
from opensqt.market_maker.v1 import exchange_pb2


class FaultKind(StrEnum):
    """What goes wrong."""

    LOST_ANSWER = "lost_answer"  # executed, then the call is broken off
    NO_ANSWER = "no_answer"  # executed, never answered
    DELAY_BEFORE = "delay_before"
    DELAY_AFTER = "delay_after"
    REFUSE = "refuse"  # not executed
    RATE_LIMIT = "rate_limit"  # not executed
    UNAVAILABLE = "unavailable"  # not executed
    DUPLICATE_REPORT = "duplicate_report"
    REORDER_REPORT = "reorder_report"
    DROP_STREAM = "drop_stream"
    # of the fronts only
    BANNED = "banned"  # not executed
    SERVER_ERROR = "server_error"  # a 502 without a word of the venue, not executed
    HTML = "html"  # a maintenance page, not executed
    DROP_CONNECTION = "drop_connection"  # not executed
    REVOKE_KEY = "revoke_key"  # the venue knows the key no more, not executed
    SKEW_CLOCK = "skew_clock"  # the request is judged by a clock that is `delay` ahead
    DROP_REPORT = "drop_report"
    FREEZE_STREAM = "freeze_stream"  # nothing is sent any more, the connection stays


class Operation(StrEnum):
    """What a request to a front is about; each is `rest.<operation>` in a rule."""

    PLACE = "place"
    PLACE_BATCH = "place_batch"
    CANCEL = "cancel"
    CANCEL_BATCH = "cancel_batch"
    DEAD_MAN = "dead_man"
    ORDER = "order"
    OPEN_ORDERS = "open_orders"
    ORDERS = "orders"
    FILLS = "fills"
    BALANCES = "balances"
    POSITIONS = "positions"
    FUNDING = "funding"
    FEES = "fees"
    TERMS = "terms"
    RIGHTS = "rights"
    LISTEN_KEY = "listen_key"
    INSTRUMENTS = "instruments"
    MARKET = "market"
    TIME = "time"


_ON_REPORTS: Final = {FaultKind.DUPLICATE_REPORT, FaultKind.REORDER_REPORT}
_ON_STREAMS: Final = {*_ON_REPORTS, FaultKind.DROP_STREAM}
_DELAYED: Final = {
    FaultKind.DELAY_BEFORE,
    FaultKind.DELAY_AFTER,
    FaultKind.RATE_LIMIT,
    FaultKind.BANNED,
    FaultKind.SKEW_CLOCK,
}
_FRONTS_ONLY: Final = {
    FaultKind.BANNED,
    FaultKind.SERVER_ERROR,
    FaultKind.HTML,
    FaultKind.DROP_CONNECTION,
    FaultKind.REVOKE_KEY,
    FaultKind.SKEW_CLOCK,
    FaultKind.DROP_REPORT,
    FaultKind.FREEZE_STREAM,
}
#: How a venue may fail to let anybody in who wants to open a WebSocket.
_ON_HANDSHAKES: Final = {
    FaultKind.UNAVAILABLE,
    FaultKind.SERVER_ERROR,
    FaultKind.HTML,
    FaultKind.DROP_CONNECTION,
}
_FRONT_STREAMS: Final = {*_ON_STREAMS, FaultKind.DROP_REPORT, FaultKind.FREEZE_STREAM}
PRIVATE_STREAM: Final = "stream.private"
PUBLIC_STREAM: Final = "stream.public"
#: Whoever opens a WebSocket.
HANDSHAKE: Final = "stream.open"
#: The methods of the fronts, and whether they are streams.
_FRONT_METHODS: Final = {
    **{f"rest.{operation}": False for operation in Operation},
    HANDSHAKE: False,
    PRIVATE_STREAM: True,
    PUBLIC_STREAM: True,
}
_METHODS: Final = {
    method.name: method.server_streaming
    for method in exchange_pb2.DESCRIPTOR.services_by_name["ExchangeService"].methods
}


class FaultRule(BaseModel):
    """One rule. `client_id` is a pattern with * and ?; `count` None plays for ever.

    `method` is one of the ExchangeService, or of the fronts: `rest.place`, `stream.private`,
    `stream.open` for the handshake of any WebSocket. One with `rest.` may be a pattern: `rest.*`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: str
    kind: FaultKind
    every: int = Field(default=1, ge=1)
    count: int | None = Field(default=None, ge=1)
    client_id: str = "*"
    delay: timedelta = timedelta()
    reason: RefusalReason = RefusalReason.OTHER

    @model_validator(mode="after")
    def _fits_its_method(self) -> Self:
        if self.kind in _DELAYED and self.delay <= timedelta():
            raise InvalidValueError(f"{self.kind} needs a positive delay, was {self.delay}")
        fronts = [name for name in _FRONT_METHODS if fnmatchcase(name, self.method)]
        if fronts:
            return self._fits_its_front(fronts)
        if self.kind in _FRONTS_ONLY:
            raise InvalidValueError(f"{self.kind} happens to fronts only, was on {self.method}")
        if self.method not in _METHODS:
            raise InvalidValueError(
                f'method must be one of {", ".join(sorted(_METHODS))}, was "{self.method}"; '
                f"those of the fronts are {', '.join(sorted(_FRONT_METHODS))}"
            )
        if _METHODS[self.method] != (self.kind in _ON_STREAMS):
            raise InvalidValueError(f"{self.kind} cannot happen to {self.method}")
        if self.kind in _ON_REPORTS and self.method != "SubscribeOrders":
            raise InvalidValueError(f"{self.kind} happens to SubscribeOrders, was {self.method}")
        if self.kind is FaultKind.REFUSE and self.method != "PlaceOrder":
            raise InvalidValueError(f"{self.kind} happens to PlaceOrder, was {self.method}")
        return self

    def _fits_its_front(self, methods: Sequence[str]) -> Self:
        on_stream = self.kind in _FRONT_STREAMS
        if any(_FRONT_METHODS[method] != on_stream for method in methods):
            raise InvalidValueError(f"{self.kind} cannot happen to {self.method}")
        if self.kind is FaultKind.REFUSE and self.method != f"rest.{Operation.PLACE}":
            raise InvalidValueError(f"{self.kind} happens to rest.place, was {self.method}")
        if self.method == HANDSHAKE and self.kind not in _ON_HANDSHAKES:
            raise InvalidValueError(f"{self.kind} cannot happen to {self.method}")
        return self


@dataclass(slots=True)
class _Counted:
    rule: FaultRule
    seen: int = 0
    played: int = 0

    def plays(self, matches: int) -> bool:
        """Count *matches* that come together, and return whether the rule plays on them."""
        before = self.seen // self.rule.every
        self.seen += matches
        if self.seen // self.rule.every == before or self.played == self.rule.count:
            return False
        self.played += 1
        return True


class FaultPlan:
    """The rules that are in force."""

    def __init__(self, rules: Sequence[FaultRule] = ()) -> None:
        self._rules: list[_Counted] = []
        self.set(rules)

    def set(self, rules: Sequence[FaultRule]) -> None:
        """Replace all rules; counters start at zero."""
        self._rules = [_Counted(rule) for rule in rules]

    @property
    def played(self) -> int:
        """How often the rules in force have played."""
        return sum(each.played for each in self._rules)

    def counted(self) -> Sequence[tuple[FaultRule, int, int]]:
        """Return the rules in force, each with how often it matched and how often it played."""
        return [(each.rule, each.seen, each.played) for each in self._rules]

    def strike(self, method: str, client_ids: Sequence[str]) -> Sequence[FaultRule]:
        """Count a call or message, and return the rules that play on it, in their order."""
        return [
            each.rule
            for each in self._rules
            if fnmatchcase(method, each.rule.method)
            and (matches := _matches(each.rule.client_id, client_ids))
            and each.plays(matches)
        ]


def _matches(pattern: str, client_ids: Sequence[str]) -> int:
    """Return how many orders of a call are meant; a call about no order is one by itself."""
    found = sum(fnmatchcase(client_id, pattern) for client_id in set(client_ids))
    return max(found, 1) if pattern == "*" else found


class _RuleInFile(BaseModel):
    model_config = ConfigDict(extra="allow")

    delay_seconds: Decimal = Decimal(0)


_FILE: Final = TypeAdapter(list[_RuleInFile])


def read_faults(path: Path) -> Sequence[FaultRule]:
    """Return the rules of a YAML file: a list with the fields of a rule, delays as `delay_seconds`.

    Raises InvalidValueError naming the rule and the field.
    """
    try:
        written = _FILE.validate_python(yaml.safe_load(path.read_text()) or [])
        return [_rule_of(each) for each in written]
    except OSError as error:
        raise InvalidValueError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValidationError) as error:
        raise InvalidValueError(f"{path} is not a list of fault rules: {error}") from error


def rule_in(written: Any) -> FaultRule:
    """Return the rule that is written as in a file; raises pydantic's ValidationError."""
    return _rule_of(_RuleInFile.model_validate(written))


def _rule_of(written: _RuleInFile) -> FaultRule:
    delay = timedelta(milliseconds=int(written.delay_seconds * 1000))
    return FaultRule.model_validate({**(written.model_extra or {}), "delay": delay})
