"""What an emergency exit does at its venue, for both runners.

Whatever the venue answers, or does not, becomes an event or nothing at all: nothing here fails for
want of an answer, since the way out asks anew when time passes. Orders go through the order desk,
like all others.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Final

from activities.account import AccountDesk
from activities.exits import Exits
from activities.messages import Books
from activities.orders import OrderDesk
from domain.errors import StoreError, VenueError
from domain.grid.events import (
    Alert,
    AlertLevel,
    Cancel,
    GridEvent,
    LookUp,
    OutcomeUnknown,
    Place,
    Refused,
    Reported,
)
from domain.money import Instrument, Price
from domain.order_ids import decode
from domain.orders import OrderReport
from domain.ports import Venue
from domain.risk.leaving import Leaving, LeavingStep, leave
from domain.risk.leaving_events import (
    AskPosition,
    CancelAll,
    LeavingAction,
    LeavingEvent,
    OrdersCanceled,
    PositionSeen,
)
from domain.risk.way_out import WayOut, debt_of

#: Tells whether a run has ended, so that no order of it can come any more.
IsOver = Callable[[WayOut], Awaitable[bool]]
_LEVELS: Final = {
    AlertLevel.INFO: logging.INFO,
    AlertLevel.WARNING: logging.WARNING,
    AlertLevel.ERROR: logging.ERROR,
    AlertLevel.CRITICAL: logging.CRITICAL,
}
_log: Final = logging.getLogger(__name__)


class LeavingDesk:
    """The hands of the ways out of one account."""

    def __init__(
        self, venue: Venue, orders: OrderDesk, books: AccountDesk, exits: Exits, is_over: IsOver
    ) -> None:
        self._venue = venue
        self._orders = orders
        self._books = books
        self._exits = exits
        self._is_over = is_over

    async def begin(self, way: WayOut) -> LeavingStep:
        """Look at what is open and return the first step. Raises a VenueError or a StoreError."""
        instrument = await self._books.instrument(way.run_id, way.symbol)
        lots, mark = await self._position(way)
        begun = leave(
            instrument,
            way.tag,
            lots,
            way.asked_at,
            way.why,
            number=way.number,
            steps=way.steps,
            alone=way.alone,
        )
        return replace(begun, state=replace(begun.state, mark=mark))

    async def perform(
        self, way: WayOut, state: Leaving, actions: Sequence[LeavingAction]
    ) -> list[LeavingEvent]:
        """Carry *actions* out in order, and return what came of them. Safe to repeat."""
        events: list[LeavingEvent] = []
        for action in actions:
            try:
                events += await self._do(way, state.instrument, action)
            except (VenueError, StoreError) as error:
                _log.warning("the exit of %s goes on later: %s", way.run_id, error)
        await self._show(way, state)
        return events

    async def finish(self, way: WayOut, state: Leaving) -> Books | None:
        """Close the books of the run, with what the way out sold in them. Safe to repeat.

        Raises a VenueError or a StoreError; it is to be repeated then.
        """
        await self._exits.end(way, debt_of(state))
        return await self._books.finish(way.run_id, way.symbol)

    async def _do(
        self, way: WayOut, instrument: Instrument, action: LeavingAction
    ) -> Sequence[LeavingEvent]:
        match action:
            case CancelAll():
                return await self._cancel_all(way, instrument)
            case AskPosition():
                return [PositionSeen(*await self._position(way))]
            case Alert():
                await self._tell(way, action)
                return []
            case LookUp() | Place():
                return _known(await self._orders.submit(instrument, [action]))

    async def _cancel_all(self, way: WayOut, instrument: Instrument) -> Sequence[LeavingEvent]:
        """Cancel what works of the run, and on a symbol that is its own, of everybody.

        Only once the run has ended can no other order of it come.
        """
        over = await self._is_over(way)
        cancels = [
            Cancel(way.symbol, order.client_id, order.order_id)
            for order in await self._venue.open_orders(way.symbol)
            if _goes(way, order)
        ]
        if not cancels:
            return [OrdersCanceled()] if over else []
        await self._orders.submit(instrument, cancels)
        left = [o for o in await self._venue.open_orders(way.symbol) if _goes(way, o)]
        return [] if left or not over else [OrdersCanceled()]

    async def _position(self, way: WayOut) -> tuple[int, Price]:
        """Return the signed lots that are open, and a price for them.

        What the run holds beside others, or of an asset that the account has anyway, the venue does
        not tell apart: there it is what the run's fills say, once the venue has told all of them.
        """
        if not way.alone:
            return await self._books.held(way.run_id, way.symbol)
        positions = [p for p in await self._venue.positions(way.symbol) if p.symbol == way.symbol]
        marks = [position.mark for position in positions if position.mark is not None]
        mark = marks[0] if marks else (await self._venue.last_price(way.symbol)).price
        return sum(position.lots for position in positions), mark

    async def _tell(self, way: WayOut, alert: Alert) -> None:
        _log.log(_LEVELS[alert.level], "%s: %s", way.run_id, alert.message)
        await self._exits.tell(way, alert)

    async def _show(self, way: WayOut, state: Leaving) -> None:
        try:
            await self._exits.note(way, debt_of(state))
        except StoreError as error:
            _log.warning("the debt of %s cannot be shown: %s", way.run_id, error)


def _goes(way: WayOut, order: OrderReport) -> bool:
    """Return whether *order* is to be canceled; the steps of the way out itself are not."""
    key = decode(order.client_id)
    if key is not None and key.run_tag == way.tag:
        return not (key.purpose.leaves and key.key == way.number)
    return way.alone and bool(order.client_id)


def _known(events: Sequence[GridEvent]) -> list[LeavingEvent]:
    return [each for each in events if isinstance(each, Reported | Refused | OutcomeUnknown)]
