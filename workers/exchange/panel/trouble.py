"""Trouble on purpose: fault rules and disconnects, and what clients were seen to do."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web
from pydantic import Field

from workers.exchange.faults import FaultPlan, FaultRule, rule_in
from workers.exchange.fronts.arrivals import Arrivals, Filter, Most
from workers.exchange.fronts.server import Fronts
from workers.exchange.panel.asked import (
    Strict,
    WrongError,
    answer,
    body,
    checked,
    json_of,
    query,
)


class Requests(Strict):
    """Which requests are meant; with `window_seconds` also the most of them in such a time."""

    venue: str | None = None
    method: str = "*"
    account: str | None = None
    status: int | None = None
    window_seconds: Decimal | None = Field(default=None, gt=0, le=86_400)


class Disconnect(Strict):
    """Which WebSockets are cut; `politely`: with a closing handshake."""

    venue: str | None = None
    account: str | None = None
    politely: bool = False


class TroublePanel:
    """Faults of the exchange, and what arrived at its fronts."""

    def __init__(self, plan: FaultPlan, fronts: Fronts | None) -> None:
        self._plan = plan
        self._fronts = fronts

    # ---- faults

    async def get_faults(self, _request: web.Request) -> web.Response:
        told = [
            {**_rule(rule), "matched": matched, "played": played}
            for rule, matched, played in self._plan.counted()
        ]
        return answer({"rules": told})

    async def put_faults(self, request: web.Request) -> web.Response:
        """Replace all rules by a list of them; what is wrong with one changes nothing."""
        written = await json_of(request, None)
        if not isinstance(written, list):
            raise WrongError("body", written, "send a list of fault rules, [] for none")
        self._plan.set([_read(number, each) for number, each in enumerate(written)])
        return await self.get_faults(request)

    async def delete_faults(self, request: web.Request) -> web.Response:
        """Have no rules."""
        self._plan.set(())
        return await self.get_faults(request)

    async def disconnect(self, request: web.Request) -> web.Response:
        """Cut WebSockets, and tell how many."""
        wanted = await body(request, Disconnect)
        fronts = self._spoken()
        venues = [dialect.name for dialect in fronts.dialects]
        if wanted.venue not in (None, *venues):
            raise WrongError("venue", wanted.venue, f"name one of {', '.join(venues)}")
        count = await fronts.disconnect(wanted.venue, wanted.account, rudely=not wanted.politely)
        return answer({"disconnected": count})

    # ---- requests

    async def get_requests(self, request: web.Request) -> web.Response:
        """Tell how many requests came, by venue, method, account and status."""
        asked, arrivals = query(request, Requests), self._arrivals()
        wanted = Filter(asked.venue, asked.method, asked.account, asked.status)
        counts = [
            {
                "venue": kind.venue,
                "method": kind.method,
                "account": kind.account,
                "status": kind.status,
                "requests": requests,
                "orders": orders,
            }
            for kind, requests, orders in arrivals.counts(wanted)
        ]
        told: dict[str, Any] = {
            "requests": sum(each["requests"] for each in counts),
            "orders": sum(each["orders"] for each in counts),
            "counts": counts,
        }
        if asked.window_seconds is not None:
            within = timedelta(microseconds=int(asked.window_seconds * 1_000_000))
            told["most_requests"] = _most(arrivals.most_requests(within, wanted))
            told["most_orders"] = _most(arrivals.most_orders(within, wanted))
        return answer(told)

    async def delete_requests(self, _request: web.Request) -> web.Response:
        """Count from zero."""
        self._arrivals().clear()
        return answer({"requests": 0})

    def _spoken(self) -> Fronts:
        if self._fronts is None:
            raise WrongError("fronts", None, "start the exchange with --fronts VENUE,VENUE")
        return self._fronts

    def _arrivals(self) -> Arrivals:
        return self._spoken().arrivals


def _most(most: Most) -> dict[str, Any]:
    began_at = most.began_at.isoformat() if most.began_at else None
    return {"count": most.count, "began_at": began_at}


def _read(number: int, written: Any) -> FaultRule:
    return checked(lambda: rule_in(written), written, where=str(number))


def _rule(rule: FaultRule) -> dict[str, Any]:
    told = rule.model_dump(mode="json", exclude={"delay"})
    return {**told, "delay_seconds": rule.delay.total_seconds()}
