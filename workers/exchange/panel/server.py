"""The control API as a server: its endpoints in one table, each refusal in one form."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web
from aiohttp.typedefs import Handler

from domain.errors import AlreadyRunningError, InvalidValueError, TradingError
from workers.exchange.faults import FaultPlan
from workers.exchange.fronts.server import Fronts
from workers.exchange.host import Host
from workers.exchange.panel.asked import WrongError, answer
from workers.exchange.panel.books import BooksPanel
from workers.exchange.panel.market import MarketPanel
from workers.exchange.panel.trouble import TroublePanel

_Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Panel:
    """What is controlled: the market, its faults, and the fronts if there are some."""

    host: Host
    plan: FaultPlan
    fronts: Fronts | None

    def endpoints(self) -> Mapping[str, _Endpoint]:
        """Return who answers, by method and path."""
        market = MarketPanel(self.host, self.fronts)
        trouble = TroublePanel(self.plan, self.fronts)
        books = BooksPanel(self.host)

        async def status(_request: web.Request) -> web.Response:
            return answer({**market.status(), **self._fronts(), "endpoints": list(known)})

        known: dict[str, _Endpoint] = {
            "GET /": status,
            "GET /clock": market.get_clock,
            "PUT /clock": market.put_clock,
            "POST /advance": market.advance,
            "POST /funding": market.settle,
            "GET /faults": trouble.get_faults,
            "PUT /faults": trouble.put_faults,
            "DELETE /faults": trouble.delete_faults,
            "POST /disconnect": trouble.disconnect,
            "GET /requests": trouble.get_requests,
            "DELETE /requests": trouble.delete_requests,
            "GET /keys": books.keys,
            "GET /books": books.books,
            "GET /orders": books.orders,
            "GET /fills": books.fills,
            "GET /balances": books.balances,
            "GET /positions": books.positions,
        }
        return known

    def _fronts(self) -> Mapping[str, Any]:
        if self.fronts is None:
            return {"fronts": None}
        return {
            "fronts": {
                "listening": f"{self.fronts.host}:{self.fronts.port}",
                "authority": str(self.fronts.authority.resolve()),
                "venues": [dialect.name for dialect in self.fronts.dialects],
            }
        }


@asynccontextmanager
async def control_api(panel: Panel, address: str, port: int) -> AsyncIterator[str]:
    """Serve the API inside the context and yield its URL; port 0 takes a free one.

    Raises AlreadyRunningError if the port is taken.
    """
    app = web.Application(middlewares=[_refusing])
    for where, endpoint in panel.endpoints().items():
        method, _, path = where.partition(" ")
        app.router.add_route(method, path, endpoint)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port).start()
    except OSError as error:
        await runner.cleanup()
        raise AlreadyRunningError(
            f"{address}:{port} cannot be listened on ({error}): choose another --control"
        ) from error
    try:
        yield f"http://{address}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


_NO_ENDPOINT: Final = "GET / lists the endpoints"


@web.middleware
async def _refusing(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Tell what is wrong as a field, its value and the fix."""
    try:
        return await handler(request)
    except WrongError as wrong:
        return answer({"error": wrong.told}, wrong.status)
    except web.HTTPException as refused:
        where = f"{request.method} {request.path}"
        told = {"field": "endpoint", "value": where, "fix": _NO_ENDPOINT}
        return answer({"error": told}, refused.status)
    except InvalidValueError as error:
        return answer({"error": {"field": "request", "value": None, "fix": str(error)}}, 400)
    except TradingError as error:
        return answer({"error": {"field": "exchange", "value": None, "fix": str(error)}}, 503)
