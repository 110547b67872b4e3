"""The feed of an account: one owner of its streams, which tells every run what is news to it.

Reports go to the ledger first, then to the run that their client order id names. Prices never leave
this process unless they matter. A lost stream is told to every run (openings stop), is opened again
with growing pauses, and every run then asks the venue what it missed. A stream is lost when it
breaks, when its connection is silent, and when it does not tell what the venue lists.

It also looks at where its runs stand with risk, and tells each of them when that changes: a run
hears it before it hears for the first time that the streams are live. And it begins the emergency
exits that were asked for.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from pydantic import TypeAdapter, ValidationError

from activities.clock import utc_now
from activities.danger import DangerWatch
from activities.dead_man import Switch
from activities.exits import Exits
from activities.messages import FeedBatch
from activities.noticing import Notices
from activities.orders import OrderDesk
from activities.risk import RiskDesk
from activities.routes import Route
from activities.silence import Silence
from activities.store.ledger import Ledger
from activities.store.records import Watch as StoredWatch
from domain.errors import StoreError, StoreUnavailableError, TradingError, VenueError
from domain.grid.spec import CANDLE_LENGTHS
from domain.grid.watch import Watch
from domain.market import Candle, PriceUpdate
from domain.order_ids import decode
from domain.orders import OrderReport, OrderStatus
from domain.ports import Venue
from domain.risk.scope import OVERALL
from domain.risk.standing import Standing
from domain.risk.way_out import WayOut

#: Delivers a batch to a workflow. Returns False if there is no such run any more.
Deliver = Callable[[str, FeedBatch], Awaitable[bool]]
#: Begins the emergency exit of a run, unless it was begun before. Returns False if it could not.
Leave = Callable[[WayOut], Awaitable[bool]]
#: Tells what every run of the account wants watched.
Watches = Callable[[], Awaitable[Sequence[StoredWatch]]]

_LOOK_EVERY: Final = 0.25
#: A price alone waits this long for the fill that mostly comes with it: one signal for both.
_LINGER: Final = 0.01
#: The answer to a cancel and its report race each other: the report waits, and is mostly no news.
_SETTLE: Final = 0.1
#: Enough for the longest average that a grid may ask for (200 candles and the one before).
_CANDLES: Final = 202
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_WATCH: Final = TypeAdapter(Watch)
_log: Final = logging.getLogger(__name__)


class Feed:
    """Streams one account's news to its runs, for as long as it is not canceled."""

    def __init__(  # noqa: PLR0913 - all that it works with
        self,
        account: str,
        venue: Venue,
        ledger: Ledger,
        desk: OrderDesk,
        risk: RiskDesk,
        *,
        deliver: Deliver,
        leave: Leave,
        session: str,
        watches: Watches | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Take what to watch from *watches*; where not given, the ledger is asked."""
        self._account = account
        self._venue = venue
        self._ledger = ledger
        self._desk = desk
        self._risk = risk
        self._notices = Notices(account, risk, clock)
        self._deliver = deliver
        self._leave = leave
        self._exits = Exits(ledger, risk, clock)
        self._left: set[tuple[str, int]] = set()
        self._switch = Switch(venue)
        self._danger = DangerWatch(account, venue, ledger, risk, clock)
        self._session = session
        self._watches = watches or self._stored_watches
        self._clock = clock
        self._routes: dict[str, Route] = {}
        self._senders: dict[str, asyncio.Task[None]] = {}
        self._news: dict[str, asyncio.Event] = {}
        self._markets: dict[tuple[str, timedelta | None], asyncio.Task[None]] = {}
        #: The newest price of each symbol, as long as its stream is up: for runs that come later.
        self._last: dict[str, PriceUpdate] = {}
        self._live = False
        self.delivered = 0

    async def run(self) -> None:
        """Keep the streams up and the runs told; ends only by cancellation."""
        failures, silent_since, why = 0, self._clock(), ""
        async with asyncio.TaskGroup() as self._tasks:
            self._tasks.create_task(self._look_out())
            while True:
                try:
                    async with self._venue.reports() as reports:
                        if failures:
                            _log.warning("the streams of account %s are back", self._account)
                        failures = 0
                        await self._session_of(reports)
                except* TradingError as lost:
                    why = str(lost.exceptions[0])
                    _log.warning("the streams of account %s are lost: %s", self._account, why)
                    if not failures:  # once, however long the outage is
                        self._tell_stale(why)
                        silent_since = self._clock()
                await self._notices.streams(silent_since, why)
                await self._look_at_risk()
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
                failures += 1

    async def _session_of(self, reports: AsyncIterator[OrderReport]) -> None:
        await self._notices.streams(None)
        await self._look_at_risk()
        self._switch.forget()
        await self._keep_armed()
        self._live = True
        for route in self._routes.values():
            route.live(self._clock())
            self._wake(route.run_id)
        try:
            async with asyncio.TaskGroup() as tasks:
                silence = Silence(f"orders of account {self._account}")
                tasks.create_task(self._read_reports(reports, silence))
                tasks.create_task(silence.doubt(self._last_fill))
                tasks.create_task(self._follow_watches(tasks))
                tasks.create_task(self._renew())
        finally:
            self._live = False
            self._markets.clear()
            self._last.clear()

    # --- reports -----------------------------------------------------------------------------

    async def _read_reports(self, reports: AsyncIterator[OrderReport], silence: Silence) -> None:
        async for report in reports:
            silence.heard(report.at)
            await self._keep(report)
            route = self._route_of(report)
            if route is None:
                continue
            if self._may_be_an_answer(report):
                self._tasks.create_task(self._settle(route, report))
            else:
                self._tell(route, report)

    def _tell(self, route: Route, report: OrderReport) -> None:
        if self._desk.has_answered(report):
            route.answered(report)
        else:
            route.report(report)
            self._wake(route.run_id)

    async def _keep(self, report: OrderReport) -> None:
        try:
            await self._ledger.record_reports(self._account, [report])
        except StoreUnavailableError as error:
            # The run must hear of its fill all the same; the watermark back-fills the ledger.
            _log.error("a report of %s is not in the ledger yet: %s", report.client_id, error)

    def _route_of(self, report: OrderReport) -> Route | None:
        key = decode(report.client_id)
        if key is None:
            return None
        return next((r for r in self._routes.values() if r.tag == key.run_tag), None)

    def _may_be_an_answer(self, report: OrderReport) -> bool:
        ended = not report.status.working and report.status is not OrderStatus.FILLED
        return ended and report.fill is None

    async def _settle(self, route: Route, report: OrderReport) -> None:
        await asyncio.sleep(_SETTLE)
        self._tell(route, report)

    async def _last_fill(self, told_at: datetime | None) -> datetime | None:
        """Return when the account last traded what its runs trade, or *told_at* if not since then.

        Of a stream that has told nothing yet, what counts is what happens from now on.
        """
        times = [] if told_at is None else [told_at]
        for symbol, last in list(self._last.items()):
            since = told_at or last.at
            times += [since, *(fill.at for fill in await self._venue.fills_since(symbol, since))]
        return max(times, default=None)

    # --- prices ------------------------------------------------------------------------------

    async def _follow_watches(self, tasks: asyncio.TaskGroup) -> None:
        while True:
            try:
                await self._take_watches(await self._watches())
            except StoreUnavailableError as error:
                _log.warning("the watches cannot be read, the old ones stand: %s", error)
            await self._look_at_risk()
            for market in self._wanted_markets() - self._markets.keys():
                self._markets[market] = tasks.create_task(self._follow_market(tasks, *market))
            await asyncio.sleep(_LOOK_EVERY)

    async def _stored_watches(self) -> Sequence[StoredWatch]:
        return await self._ledger.watches(self._account)

    async def _take_watches(self, stored: Iterable[StoredWatch]) -> None:
        current = {watch.run_id: watch for watch in stored}
        for run_id in [run_id for run_id in self._routes if run_id not in current]:
            self._forget(run_id)
        for run_id, item in current.items():
            parsed = _parsed(item)
            if parsed is None:
                continue
            tag, watch = parsed
            known = self._routes.get(run_id)
            if known is not None and known.tag == tag:
                known.rewatch(watch)
                if known.pending:
                    self._wake(run_id)
            else:
                await self._attach(Route(run_id, tag, item.workflow_id, watch))

    async def _attach(self, route: Route) -> None:
        await self._tell_standings([route])
        if self._live and route.watch.dead_man is not None:
            await self._keep_armed(route)  # before the first order
        self._forget(route.run_id)
        self._routes[route.run_id] = route
        self._news[route.run_id] = asyncio.Event()
        self._senders[route.run_id] = self._tasks.create_task(self._send(route))
        if self._live:
            route.live(self._clock())
            if route.symbol in self._last:
                route.price(self._last[route.symbol])
            self._wake(route.run_id)

    def _forget(self, run_id: str) -> None:
        self._routes.pop(run_id, None)
        self._news.pop(run_id, None)
        sender = self._senders.pop(run_id, None)
        if sender is not None:
            sender.cancel()

    def _wanted_markets(self) -> set[tuple[str, timedelta | None]]:
        """Return the streams the runs need: prices (no length), and candles of some length."""
        wanted: set[tuple[str, timedelta | None]] = set()
        for route in self._routes.values():
            wanted.add((route.symbol, None))
            if route.watch.adaptive is not None:
                wanted.add((route.symbol, CANDLE_LENGTHS[route.watch.adaptive.candle]))
        return wanted

    async def _follow_market(
        self, tasks: asyncio.TaskGroup, symbol: str, length: timedelta | None
    ) -> None:
        if length is None:
            silence = Silence(f"prices of {symbol}")
            tasks.create_task(silence.doubt(lambda _: self._last_trade(symbol)))
            await self._follow_prices(symbol, silence)
        else:
            await self._follow_candles(symbol, length)

    async def _follow_prices(self, symbol: str, silence: Silence) -> None:
        async with self._venue.prices([symbol]) as prices:
            async for update in prices:
                silence.heard(update.at)
                self._last[symbol] = update
                for route in self._routes.values():
                    if route.symbol == symbol:
                        route.price(update)
                        if route.pending:
                            self._wake(route.run_id)

    async def _last_trade(self, symbol: str) -> datetime:
        return (await self._venue.last_price(symbol)).at

    async def _follow_candles(self, symbol: str, length: timedelta) -> None:
        async with self._venue.candle_stream(symbol, length) as candles:
            await self._preload(symbol, length)
            async for candle in candles:
                await self._preload(symbol, length)
                self._take_candle(symbol, length, candle)

    async def _preload(self, symbol: str, length: timedelta) -> None:
        """Give the candles before the stream to every run that has not had them."""
        new = [route for route in self._adaptive(symbol, length) if not route.preloaded]
        if new:
            history = await self._venue.candles(symbol, length, _CANDLES)
            for route in new:
                route.preload(history)

    def _take_candle(self, symbol: str, length: timedelta, candle: Candle) -> None:
        for route in self._adaptive(symbol, length):
            route.candle(candle)
            if route.pending:
                self._wake(route.run_id)

    def _adaptive(self, symbol: str, length: timedelta) -> list[Route]:
        return [
            route
            for route in self._routes.values()
            if route.symbol == symbol
            and route.watch.adaptive is not None
            and CANDLE_LENGTHS[route.watch.adaptive.candle] == length
        ]

    # --- the dead-man's switch ---------------------------------------------------------------

    async def _renew(self) -> None:
        """Keep the switch armed; whatever hinders that, the venue cancels when it is too long."""
        while True:
            try:
                await self._keep_armed()
            except VenueError as error:
                _log.warning(
                    "the dead-man's switch of account %s is not renewed: %s", self._account, error
                )
            await asyncio.sleep(_LOOK_EVERY)

    async def _keep_armed(self, *more: Route) -> None:
        await self._switch.keep([route.watch for route in (*self._routes.values(), *more)])

    async def stand_down(self) -> None:
        """Disarm the switch: the runs have ended. Best effort, for it finds nothing to cancel."""
        try:
            await self._switch.keep(())
        except VenueError as error:
            _log.warning("the dead-man's switch stays armed, and finds no order: %s", error)

    # --- risk --------------------------------------------------------------------------------

    async def _look_at_risk(self) -> None:
        """Tell every run where it stands, if that has changed."""
        if self._routes:
            await self._tell_standings(list(self._routes.values()))
            await self._begin_exits(list(self._routes))
        for route in self._routes.values():
            if route.urgent:
                self._wake(route.run_id)

    async def _tell_standings(self, routes: Sequence[Route]) -> None:
        """Tell *routes* where they stand. While nobody knows, what they were told stands.

        No entry leaves meanwhile, the last gate sees to that; only what rests may rest on. A run
        that was told nothing yet has nothing to lose, and is told that it must not open anything.
        """
        at = self._clock()
        try:
            found = await self._risk.standings(self._account, [each.run_id for each in routes])
        except StoreError as error:
            _log.warning("where runs stand cannot be read: %s", error)
            why = f"the state of risk is not known: {error}"
            unknown = Standing(halted=True, why=why, scope=OVERALL)
            for route in routes:
                if not route.knows_standing:
                    route.stands(unknown, at)
            return
        for route in routes:
            route.stands(found[route.run_id], at)

    async def _look_out(self) -> None:
        """Look out for danger, streams or no streams."""
        spec = self._risk.spec.emergency
        while spec.enabled:
            if self._routes:
                await self._danger.look(list(self._routes))
            await asyncio.sleep(spec.every)

    async def _begin_exits(self, run_ids: Sequence[str]) -> None:
        """Begin what was asked for, once in the life of this feed."""
        try:
            asked = await self._exits.of(run_ids)
        except StoreError as error:
            _log.warning("whether runs are to leave cannot be read: %s", error)
            return
        for way in asked.values():
            key = (way.run_id, way.number)
            if not way.ended and key not in self._left and await self._leave(way):
                self._left.add(key)

    # --- telling the runs --------------------------------------------------------------------

    def _tell_stale(self, why: str) -> None:
        for route in self._routes.values():
            route.stale(self._clock(), why)
            self._wake(route.run_id)

    def _wake(self, run_id: str) -> None:
        news = self._news.get(run_id)
        if news is not None:
            news.set()

    async def _send(self, route: Route) -> None:
        """Deliver to one run: one batch in flight, the next one takes all that came meanwhile."""
        news, number = self._news[route.run_id], 0
        while True:
            await news.wait()
            news.clear()
            if not route.urgent:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(news.wait(), _LINGER)
                news.clear()
            events = route.take()
            if not events:
                continue
            number += 1
            if not await self._deliver(route.workflow_id, FeedBatch(self._session, number, events)):
                _log.info("run %s has ended: its feed stops", route.run_id)
                await self._unwatch(route.run_id)
                return
            self.delivered += 1

    async def _unwatch(self, run_id: str) -> None:
        while True:
            try:
                await self._ledger.unwatch(run_id)
            except StoreUnavailableError as error:
                _log.warning("run %s is watched for nobody: %s", run_id, error)
                await asyncio.sleep(1)
            else:
                return


def _parsed(stored: StoredWatch) -> tuple[str, Watch] | None:
    try:
        return str(stored.what["tag"]), _WATCH.validate_python(stored.what["watch"])
    except (KeyError, ValidationError) as error:
        _log.error("what run %s wants watched cannot be read: %s", stored.run_id, error)
        return None
