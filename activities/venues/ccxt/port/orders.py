"""How orders are sent and canceled, alone and in batches, and what is said of each."""

import asyncio
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.meanings import (
    DuplicateError,
    Meaning,
    NotFoundError,
    RefusedError,
    Verdict,
)
from activities.venues.ccxt.port.history import LAGS, History
from activities.venues.ccxt.quirks import ORDERS
from domain.errors import (
    InvalidValueError,
    NotSentError,
    RateLimitedError,
    UnknownOutcomeError,
    VenueError,
)
from domain.orders import OrderReport, OrderRequest, Outcome, Refusal, Unknown

T = TypeVar("T")
_AT_ONCE: Final = 8
#: What says for sure that an order was not taken, and may be sent again.
_NOT_EXECUTED: Final = (Meaning.NOT_EXECUTED, Meaning.RATE_LIMITED)


class Orders(History):
    """What changes orders."""

    @property
    def place_batch_of(self) -> int:
        """How many orders one request to place may carry; 0 where the venue has no such request."""
        return self._at_once(self._quirks.place_batch_of)

    @property
    def cancel_batch_of(self) -> int:
        """How many orders one request to cancel may name; 0 where the venue has no such request."""
        return self._at_once(self._quirks.cancel_batch_of)

    async def place(self, request: OrderRequest) -> OrderReport | Refusal:
        """Send *request* once; a duplicate client id answers with the existing order."""
        market = await self._before_sending(request.symbol)
        try:
            report = await self._quirks.place(market, request)
        except DuplicateError as error:
            return await self._existing(request, str(error))
        except RefusedError as error:
            return Refusal(request.client_id, error.reason, error.verdict.told)
        return await self._placed(market, report)

    async def place_batch(self, requests: Sequence[OrderRequest]) -> Sequence[Outcome]:
        """Place orders of one symbol; one outcome each, in their order."""
        if not requests:
            return []
        market = await self._before_sending(requests[0].symbol)
        if any(request.symbol != market.symbol for request in requests):
            raise InvalidValueError("a batch has orders of one symbol")
        if not self._quirks.place_batch_of:
            return await _side_by_side(self._outcome(request) for request in requests)
        outcomes: list[Outcome] = []
        for some in _chunks(requests, self.place_batch_of):
            try:
                outcomes += await self._placed_batch(market, some)
            except (NotSentError, RateLimitedError) as error:
                if not outcomes:
                    raise
                outcomes += [Unknown(request.client_id, str(error)) for request in some]
        return outcomes

    async def cancel(self, symbol: str, client_id: str) -> OrderReport | None:
        """Cancel and return the order as it then stands; None if there is none."""
        market = await self._before_sending(symbol)
        report = None
        try:
            report = await self._quirks.cancel(market, client_id)
        except NotFoundError:
            return await self.look_up(symbol, client_id)
        if report is not None and not report.status.working:
            return await self._completed(market, report)
        return await self._settled(symbol, client_id)

    async def cancel_batch(
        self, symbol: str, client_ids: Sequence[str]
    ) -> Sequence[OrderReport | None]:
        """Cancel orders and return each as it then stands."""
        market = await self._before_sending(symbol)
        if not self._quirks.cancel_batch_of:
            return await _side_by_side(self.cancel(symbol, each) for each in client_ids)
        for some in _chunks(client_ids, self.cancel_batch_of):
            await self._quirks.cancel_batch(market, some)
        return await _side_by_side(self._settled(symbol, each) for each in client_ids)

    def _at_once(self, batch_of: int) -> int:
        """Return how many orders a batch may have: no more than the rate lets leave in one call."""
        return min(batch_of, self._pacer.most(ORDERS))

    # ---- before and after

    async def _before_sending(self, symbol: str) -> Market:
        """Return the market; whatever hinders that, nothing was sent."""
        try:
            return await self._market(symbol)
        except RateLimitedError:
            raise
        except VenueError as error:
            if error.permanent:
                raise
            raise NotSentError(f"{self.name}: the order was not sent: {error}") from error

    async def _existing(self, request: OrderRequest, why: str) -> OrderReport:
        """Return the order that has the id already."""
        try:
            found = await self.look_up(request.symbol, request.client_id)
        except VenueError as error:
            raise UnknownOutcomeError(f"{why}; the look-up failed: {error}") from error
        if found is None:
            raise UnknownOutcomeError(f"{why}; and the look-up does not find it")
        return found

    async def _placed(self, market: Market, report: OrderReport) -> OrderReport:
        try:
            return await self._completed(market, report)
        except VenueError as error:
            raise UnknownOutcomeError(
                f"{self.name}: order {report.client_id} was taken, its fills could not be read: "
                f"{error}"
            ) from error

    async def _outcome(self, request: OrderRequest) -> Outcome:
        try:
            return await self.place(request)
        except NotSentError as error:
            return Unknown(request.client_id, str(error))
        except VenueError as error:
            return Unknown(request.client_id, str(error))

    async def _placed_batch(
        self, market: Market, requests: Sequence[OrderRequest]
    ) -> list[Outcome]:
        try:
            results = await self._quirks.place_batch(market, requests)
        except (NotSentError, RateLimitedError):
            raise  # none of them left, or none was executed
        except VenueError as error:
            return [Unknown(request.client_id, str(error)) for request in requests]
        idle = [r for r in results if isinstance(r, Verdict) and r.meaning in _NOT_EXECUTED]
        if len(idle) == len(results):
            raise await self._quirks.rest.meant(idle[0], f"{self.name} batch", changes=True)
        return [
            await self._batched(market, request, result)
            for request, result in zip(requests, results, strict=True)
        ]

    async def _batched(
        self, market: Market, request: OrderRequest, result: OrderReport | Verdict
    ) -> Outcome:
        try:
            if isinstance(result, OrderReport):
                return await self._placed(market, result)
            raise await self._quirks.rest.meant(result, f"{self.name} batch", changes=True)
        except DuplicateError as error:
            try:
                return await self._existing(request, str(error))
            except VenueError as unknown:
                return Unknown(request.client_id, str(unknown))
        except RefusedError as error:
            return Refusal(request.client_id, error.reason, error.verdict.told)
        except VenueError as error:
            return Unknown(request.client_id, str(error))

    async def _settled(self, symbol: str, client_id: str) -> OrderReport | None:
        """Return an order whose cancel was taken, once it ended, or as it stands after a while."""
        report = None
        for lag in LAGS:
            await asyncio.sleep(lag)
            report = await self.look_up(symbol, client_id)
            if report is None or not report.status.working:
                return report
        return report


def _chunks(items: Sequence[T], size: int) -> Iterable[Sequence[T]]:
    return (items[start : start + size] for start in range(0, len(items), size))


async def _side_by_side(work: Iterable[Any]) -> list[Any]:
    """Return the results in order, a few at a time; the first failure is raised after all ended."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def one(each: Any) -> Any:
        async with gate:
            return await each

    results = await asyncio.gather(*map(one, work), return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results
