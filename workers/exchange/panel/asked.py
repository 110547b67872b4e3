"""How the control API reads requests and refuses them: with the field, its value and the fix."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ConfigDict, ValidationError

Form = TypeVar("Form", bound="Strict")


class Strict(BaseModel):
    """What a request says; a field that nobody knows is refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class WrongError(Exception):
    """A request that is refused. *fix* says what to do, *value* is what was said."""

    def __init__(self, field: str, value: Any, fix: str, status: int = 400) -> None:
        super().__init__(f"{field} was {value!r}: {fix}")
        self.status = status
        self.told = {"field": field, "value": _plain(value), "fix": fix}


def query(request: web.Request, form: type[Form]) -> Form:
    """Return the fields of the query, or raise WrongError."""
    return read(form, dict(request.query))


async def body(request: web.Request, form: type[Form]) -> Form:
    """Return the fields of the JSON body (none: all defaults), or raise WrongError."""
    return read(form, await json_of(request, {}))


async def json_of(request: web.Request, otherwise: Any) -> Any:
    """Return the JSON body, *otherwise* if there is none; WrongError if it is no JSON."""
    text = await request.text()
    try:
        return orjson.loads(text) if text.strip() else otherwise
    except orjson.JSONDecodeError as error:
        raise WrongError("body", text[:80], f"send JSON ({error})") from None


def read(form: type[Form], values: Any) -> Form:
    """Return *values* as a form, or raise WrongError for the first that is wrong."""
    return checked(lambda: form.model_validate(values), values)


Read = TypeVar("Read")


def checked(read: Callable[[], Read], values: Any, where: str = "") -> Read:
    """Return what *read* makes of *values*, or raise WrongError for the first that is wrong."""
    try:
        return read()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = ".".join(str(each) for each in (where, *first["loc"]) if each != "")
        value = first["input"] if first["loc"] else values
        if first["type"] == "missing":
            value = None
        raise WrongError(path or "body", value, first["msg"]) from None


def answer(told: Any, status: int = 200) -> web.Response:
    """Return *told* as JSON, decimal numbers as text."""
    data = orjson.dumps(
        told, default=_plain, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
    )
    return web.Response(body=data, status=status, content_type="application/json")


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | int | float | bool | None) else str(value)
