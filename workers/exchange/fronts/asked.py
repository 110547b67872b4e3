"""A request as a dialect reads it: strictly, so that what a venue would refuse is refused."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any
from urllib.parse import parse_qsl

import orjson


class WrongError(Exception):
    """A request that the venue refuses; `answer` is what it says."""

    def __init__(self, answer: "Told") -> None:
        super().__init__(str(answer.body))
        self.answer = answer


@dataclass(frozen=True, slots=True)
class Told:
    """An answer. A body that is text is sent as it is, anything else as JSON."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request. `query` and `body` are the raw text that was signed."""

    method: str
    host: str
    path: str
    query: str
    body: str
    headers: Mapping[str, str]
    #: What the braces of the route's path stand for.
    parts: Mapping[str, str] = field(default_factory=dict)

    def form(self) -> dict[str, str]:
        """Return query and form body as fields; the later of two equal names counts."""
        joined = "&".join(each for each in (self.query, self.body) if each)
        return dict(parse_qsl(joined, keep_blank_values=True))

    def json(self) -> Any:
        """Return the JSON body; None if it is none."""
        try:
            return orjson.loads(self.body)
        except ValueError:
            return None


class Fields:
    """The fields of a request, each read once; `done` refuses those that nobody read.

    *wrong* makes the venue's refusal of a field: (field, "missing" | "unknown" | "malformed").
    """

    def __init__(self, values: Mapping[str, Any], wrong: Callable[[str, str], WrongError]) -> None:
        self._left = dict(values)
        self._wrong = wrong

    def optional(self, name: str) -> str | None:
        """Return a field as text; None if it is absent or empty."""
        value = self._left.pop(name, None)
        return None if value is None or value == "" else str(value)

    def text(self, name: str) -> str:
        """Return a field that must be there."""
        value = self.optional(name)
        if value is None:
            raise self._wrong(name, "missing")
        return value

    def choice(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        """Return a field that must be one of *choices*."""
        value = self.optional(name) or default
        if value is None:
            raise self._wrong(name, "missing")
        if value not in choices:
            raise self._wrong(name, "malformed")
        return value

    def number(self, name: str) -> Decimal:
        """Return a plain decimal number."""
        text = self.text(name)
        try:
            number = Decimal(text)
        except InvalidOperation:
            raise self._wrong(name, "malformed") from None
        if not number.is_finite() or "e" in text.lower():
            raise self._wrong(name, "malformed")
        return number

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a whole number."""
        if default is not None and self._left.get(name) in (None, ""):
            self._left.pop(name, None)
            return default
        text = self.text(name)
        if not text.lstrip("-").isdecimal():
            raise self._wrong(name, "malformed")
        return int(text)

    def ignore(self, *names: str) -> None:
        """Accept fields that change nothing here."""
        for name in names:
            self._left.pop(name, None)

    def done(self) -> None:
        """Refuse what was not read."""
        for name in self._left:
            raise self._wrong(name, "unknown")
