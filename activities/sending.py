"""Sending: marked orders go to the venue, alone or several by one request, and each has an outcome.

Nobody's answer is guessed. What certainly did not leave is tried again for a short while; what may
have left is looked up once, and stays unknown if that does not settle it.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import Final

from domain.conditions import BatchVenue
from domain.errors import (
    AuthenticationError,
    ClockSkewError,
    InvalidValueError,
    NotSentError,
    RateLimitedError,
    UnknownOutcomeError,
    VenueError,
)
from domain.orders import OrderRequest, Outcome, Refusal, RefusalReason, Unknown
from domain.ports import Venue

#: A short wait for the venue's permission is worth it; a longer one is the engine's to know of.
PATIENCE: Final = timedelta(seconds=2)
_ATTEMPTS: Final = 4
#: So many orders share one commit of their markers; the last one must still go out in time.
_TOGETHER: Final = 8
#: A batch is one request, so more may share it; but each may have to be looked up before.
_MOST_TOGETHER: Final = 20
_log: Final = logging.getLogger(__name__)


class Sender:
    """Places and cancels at one venue, by its batches where it has any."""

    def __init__(
        self, venue: Venue, clock: Callable[[], datetime], timed: Callable[[int], None]
    ) -> None:
        """Tell *timed* how many milliseconds each request with orders took, whatever came of it."""
        self._venue = venue
        self._timed = timed
        self._clock = clock
        self._batches = venue if isinstance(venue, BatchVenue) else None

    @property
    def together(self) -> int:
        """How many orders may be marked at once, to be sent right after."""
        size = self._batches.place_batch_of if self._batches else 0
        return min(size, _MOST_TOGETHER) if size > 1 else _TOGETHER

    async def send(self, requests: Sequence[OrderRequest], marked_at: datetime) -> list[Outcome]:
        """Send at most `together` *requests* in their order, and return what came of each."""
        outcomes: list[Outcome] = []
        while len(outcomes) < len(requests):
            size = max(1, self._batches.place_batch_of if self._batches else 1)
            some = requests[len(outcomes) : len(outcomes) + size]
            outcomes += await self._send(some, marked_at)
        return outcomes

    async def cancel(self, symbol: str, client_ids: Sequence[str]) -> list[Outcome | None]:
        """Cancel in order, and return each order as it then stands; None where there is none."""
        size = self._batches.cancel_batch_of if self._batches else 0
        if self._batches is None or size < 2 or len(client_ids) == 1:
            return [await self._cancel(symbol, each) for each in client_ids]
        try:
            reports = await self._batches.cancel_batch(symbol, client_ids)
        except VenueError as error:
            return [_unanswered(each, error) for each in client_ids]
        known = {report.client_id: report for report in reports if report is not None}
        return [known.get(each) for each in client_ids]

    async def _cancel(self, symbol: str, client_id: str) -> Outcome | None:
        try:
            return await self._venue.cancel(symbol, client_id)
        except VenueError as error:
            return _unanswered(client_id, error)

    # --- one request -------------------------------------------------------------------------

    async def _send(self, requests: Sequence[OrderRequest], marked_at: datetime) -> list[Outcome]:
        """Send one order, or several by one request."""
        waited = timedelta(0)
        for attempt in range(_ATTEMPTS):
            if self._is_late(marked_at):
                return _unknown(requests, "not sent in time")
            try:
                return await self._place(requests)
            except RateLimitedError as error:
                pause = error.retry_after
                if waited + pause > PATIENCE:
                    return _refused(requests, f"rate limited for {pause.total_seconds():g} s")
            except (NotSentError, ClockSkewError) as error:  # the clock is right by now
                pause = timedelta(milliseconds=50 * 2**attempt)
                if attempt == _ATTEMPTS - 1:
                    return _refused(requests, f"not taken in {_ATTEMPTS} tries: {error}")
            except UnknownOutcomeError as error:
                return await self._find(_unknown(requests, str(error)), requests[0].symbol)
            except VenueError as error:
                certain = isinstance(error, AuthenticationError)  # nobody let it in
                return (_refused if certain else _unknown)(requests, str(error))
            except InvalidValueError as error:  # the venue could make nothing of it
                return await self._apart(requests, marked_at, error)
            waited += pause
            await asyncio.sleep(pause.total_seconds())
        return _refused(requests, "rate limited again and again")

    def _is_late(self, marked_at: datetime) -> bool:
        """Return whether somebody else may by now believe that the order can no longer arrive."""
        limit = self._venue.arrival_limit
        return bool(limit) and self._clock() - marked_at > limit / 2

    async def _place(self, requests: Sequence[OrderRequest]) -> list[Outcome]:
        began = monotonic()
        try:
            if self._batches is None or len(requests) == 1:
                return [await self._venue.place(requests[0])]
            answers = await self._batches.place_batch(requests)
        finally:
            self._timed(round(1000 * (monotonic() - began)))
        told = {each.client_id: each for each in answers}
        outcomes = [
            told.get(each.client_id) or Unknown(each.client_id, "the answer does not name it")
            for each in requests
        ]
        return await self._find(outcomes, requests[0].symbol)

    async def _find(self, outcomes: Sequence[Outcome], symbol: str) -> list[Outcome]:
        """Ask once for each order whose answer was lost, which mostly settles it.

        A venue that does not answer one of these questions is not asked the others.
        """
        found = list(outcomes)
        for index, outcome in enumerate(outcomes):
            if not isinstance(outcome, Unknown):
                continue
            try:
                report = await self._venue.look_up(symbol, outcome.client_id)
            except VenueError as error:
                why = f"{outcome.message}; and the look-up failed: {error}"
                found[index] = Unknown(outcome.client_id, why)
                break
            if report is not None:
                told = (report.client_id, outcome.message)
                _log.warning("order %s has arrived though its answer was lost: %s", *told)
            found[index] = report or outcome
        return found

    async def _apart(
        self, requests: Sequence[OrderRequest], marked_at: datetime, error: InvalidValueError
    ) -> list[Outcome]:
        """Send each order alone, of which one made the whole batch invalid: nothing was sent."""
        if len(requests) == 1:
            return [Refusal(requests[0].client_id, RefusalReason.INVALID, str(error))]
        return [outcome for each in requests for outcome in await self._send([each], marked_at)]


def _unknown(requests: Sequence[OrderRequest], message: str) -> list[Outcome]:
    return [Unknown(request.client_id, message) for request in requests]


def _unanswered(client_id: str, error: VenueError) -> Unknown:
    return Unknown(client_id, f"the cancel was not answered: {error}")


def _refused(requests: Sequence[OrderRequest], message: str) -> list[Outcome]:
    return [Refusal(request.client_id, RefusalReason.OTHER, message) for request in requests]
