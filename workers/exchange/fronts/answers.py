"""How a front answers where a scripted fault plays, and how any answer leaves."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

import orjson
from aiohttp import web

from workers.exchange.faults import FaultKind, FaultRule
from workers.exchange.fronts.asked import Asked, Told
from workers.exchange.fronts.dialect import Dialect
from workers.exchange.fronts.keys import MARK

_PAGE: Final = "<html><head><title>Maintenance</title></head><body>We will be back.</body></html>"
_BAD_GATEWAY: Final = "<html><body><center><h1>502 Bad Gateway</h1></center></body></html>"


def instead(dialect: Dialect, rule: FaultRule) -> Told | None:
    """Return what a rule answers without executing anything; None if it does not."""
    match rule.kind:
        case FaultKind.RATE_LIMIT:
            return dialect.limited(rule.delay)
        case FaultKind.BANNED:
            return dialect.banned(rule.delay)
        case FaultKind.UNAVAILABLE:
            return dialect.unavailable()
        case FaultKind.REFUSE:
            return dialect.refusal(rule.reason)
        case FaultKind.SERVER_ERROR:
            return Told(_BAD_GATEWAY, 502, {"Content-Type": "text/html"})
        case FaultKind.HTML:
            return Told(_PAGE, 200, {"Content-Type": "text/html"})
        case _:
            return None


def by_a_stranger(asked: Asked) -> Asked:
    """Return *asked* under a key that nobody has: the dialect says so in the venue's own words."""

    def renamed(text: str) -> str:
        return text.replace(MARK, "revoked-")

    headers = {name: renamed(value) for name, value in asked.headers.items()}
    return replace(asked, query=renamed(asked.query), body=renamed(asked.body), headers=headers)


def total_delay(rules: Sequence[FaultRule], kind: FaultKind) -> timedelta:
    """Return the delays of all rules of *kind* together."""
    return sum((rule.delay for rule in rules if rule.kind is kind), timedelta())


def cut_off(request: web.Request) -> web.Response:
    """Break the connection off; the response goes nowhere."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def response(told: Told) -> web.Response:
    """Return what a dialect says as an answer of the server."""
    text = told.body if isinstance(told.body, str) else orjson.dumps(told.body).decode()
    headers = {"Content-Type": "application/json", **told.headers}
    return web.Response(status=told.status, text=text, headers=headers)
