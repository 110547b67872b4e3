"""The dead-man's switch of an account's venue: armed for as long as its feed lives and is live.

The venue cancels the orders when it has not heard of us for the time that a run asked for; where it
has one switch for the whole account, the shortest time of all runs counts, and the orders of all
runs go. Who does not hear of the venue is not heard of either: while the streams are lost nothing
is renewed.
"""

import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

from domain.conditions import DeadManVenue, Reach
from domain.errors import InvalidValueError
from domain.grid.spec import GridSpec
from domain.grid.watch import Watch
from domain.ports import Venue

_OFFERED: Final = "binance (perpetuals only), bybit, gate and okx"
#: It is renewed so often in the time after which it fires.
_TIMES: Final = 4


class Switch:
    """The switch of one account, as one feed keeps it armed."""

    def __init__(self, venue: Venue, clock: Callable[[], float] = time.monotonic) -> None:
        self._venue = venue if isinstance(venue, DeadManVenue) else None
        self._clock = clock
        #: By symbol: the seconds it was armed with, and when.
        self._armed: dict[str, tuple[int, float]] = {}

    async def keep(self, watches: Iterable[Watch]) -> None:
        """Arm what *watches* want, where it is time for it, and disarm what nobody wants any more.

        Raises a VenueError if that did not work; it is to be called again then.
        """
        if self._venue is None or self._venue.dead_man is None:
            return
        wanted = _wanted(watches, self._venue.dead_man)
        for symbol in [each for each in self._armed if each not in wanted]:
            if wanted and self._venue.dead_man is Reach.ACCOUNT:  # others still want it
                self._armed.pop(symbol, None)
                continue
            await self._venue.disarm(symbol)
            self._armed.pop(symbol, None)
        for symbol, seconds in wanted.items():
            known, armed_at = self._armed.get(symbol, (None, 0.0))
            now = self._clock()
            if known != seconds or now - armed_at >= seconds / _TIMES:
                await self._venue.arm(symbol, timedelta(seconds=seconds))
                self._armed[symbol] = (seconds, now)

    def forget(self) -> None:
        """Arm everything anew the next time: a new connection was made."""
        self._armed = {symbol: (seconds, 0.0) for symbol, (seconds, _) in self._armed.items()}


def _wanted(watches: Iterable[Watch], reach: Reach) -> dict[str, int]:
    """Return the least seconds of each symbol; of the account's one switch, by its first symbol."""
    found: dict[str, int] = {}
    for watch in watches:
        if watch.dead_man is not None:
            least = min(watch.dead_man, found.get(watch.symbol, watch.dead_man))
            found[watch.symbol] = least
    if reach is Reach.ACCOUNT and found:
        return {min(found): min(found.values())}
    return found


def check_switch(spec: GridSpec, venue: Venue) -> None:
    """Raise InvalidValueError if *spec* asks for a switch that *venue* does not offer."""
    if spec.dead_man_seconds is None:
        return
    if not isinstance(venue, DeadManVenue) or venue.dead_man is None:
        raise InvalidValueError(
            f"dead_man_seconds: {venue.name} offers no dead-man's switch for {spec.symbol}, was "
            f"{spec.dead_man_seconds}; those that do are {_OFFERED}. Leave it out, and the orders "
            "rest while nobody looks after them"
        )
