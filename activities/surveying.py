"""The survey desk: scans of the universe for portfolios, again and again, and without any key.

What is scanned anybody may see, so it is asked without signing in, in the process of the services:
no account's worker has to know of the others. A venue is opened when it is first asked for, and a
scanner is kept with what it has read, for all portfolios that scan alike.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Final, Self

from activities.portfolio_messages import Surveyed, SurveyInput
from activities.scanning import Marketplace, Scanner
from domain.arbitrage.listing import Scanned
from domain.arbitrage.portfolio_state import survey_of
from domain.arbitrage.universe import ScanFailed
from domain.errors import InvalidValueError, TradingError

#: Opens an account's market for anybody to see; raises InvalidValueError if there is none.
OpenPlace = Callable[[str], AbstractAsyncContextManager[Marketplace]]
#: As many pairs as any portfolio could choose from.
_TOP: Final = 200
_KEPT_SCANNERS: Final = 8


class SurveyDesk:
    """Scans what portfolios ask for, one scan at a time for each kind of scan."""

    def __init__(self, open_place: OpenPlace) -> None:
        self._open = open_place
        self._stack = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._places: dict[str, Marketplace] = {}
        self._scanners: dict[SurveyInput, tuple[Scanner, asyncio.Lock]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    async def survey(self, asked: SurveyInput) -> Surveyed:
        """Return what of a scan concerns the portfolio that asks, or why there was none."""
        try:
            scanner, alone = await self._scanner(asked)
        except (TradingError, OSError) as error:
            lasting = isinstance(error, InvalidValueError)
            return Surveyed(failed=ScanFailed("the scan", str(error), lasting))
        async with alone:
            found = await scanner.scan()
        if not isinstance(found, Scanned):
            return Surveyed(failed=found)
        return Surveyed(survey_of(found, asked.quote, asked.held))

    async def _scanner(self, asked: SurveyInput) -> tuple[Scanner, asyncio.Lock]:
        alike = SurveyInput(asked.accounts, asked.universe, "")
        known = self._scanners.get(alike)
        if known is None:
            places = await self._opened(asked.accounts)
            made = Scanner(places, asked.universe, top=_TOP)
            known = made, asyncio.Lock()
            if len(self._scanners) >= _KEPT_SCANNERS:
                self._scanners.pop(next(iter(self._scanners)))
            self._scanners[alike] = known
        return known

    async def _opened(self, accounts: Sequence[str]) -> Sequence[Marketplace]:
        async with self._opening:
            for account in accounts:
                if account not in self._places:
                    place = await self._stack.enter_async_context(self._open(account))
                    self._places[account] = place
        return [self._places[account] for account in accounts]
