"""All checks of an account, side by side: each one is made whatever came of the others."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from workers.checks import access, streams, trading
from workers.checks.explained import explained, too_long
from workers.checks.findings import Finding, Found, Result, SkippedError
from workers.checks.patient import Patient

Check = Callable[[Patient], Awaitable[Found]]

CHECKS: Final[Mapping[str, Check]] = {
    "settings": access.settings,
    "reach": access.reach,
    "clock": access.clock,
    "credentials": access.credentials,
    "permissions": access.permissions,
    "balances": trading.balances,
    "instrument": trading.instrument,
    "fees": trading.fees,
    "leverage": trading.leverage,
    "position mode": trading.position_mode,
    "candles": trading.candles,
    "price stream": streams.price_stream,
    "private stream": streams.private_stream,
    "ledger": trading.ledger,
}
#: These look at what the others used up.
_AFTERWARDS: Final[Mapping[str, Check]] = {"rate limits": access.limits}
_UNFINISHED: Final = Found(Result.INTERRUPTED, "it was still waiting for an answer")


class Examination:
    """The checks of one account. `findings` are there at any moment, also of a part of them."""

    def __init__(self, patient: Patient) -> None:
        self._patient = patient
        self._found: dict[str, Found] = {}

    @property
    def findings(self) -> list[Finding]:
        """What every check came to, in their order."""
        return [self._finding(name) for name in (*CHECKS, *_AFTERWARDS)]

    async def run(self) -> list[Finding]:
        """Make all checks; it takes as long as the slowest one may take, twice at most."""
        for checks in (CHECKS, _AFTERWARDS):
            async with asyncio.TaskGroup() as group:
                for name, check in checks.items():
                    group.create_task(self._make(name, check))
        return self.findings

    async def _make(self, name: str, check: Check) -> None:
        try:
            async with asyncio.timeout(self._patient.check_within.total_seconds()):
                self._found[name] = await check(self._patient)
        except TimeoutError:
            self._found[name] = too_long(self._patient)
        except SkippedError as error:
            self._found[name] = Found(Result.SKIPPED, str(error))
        except Exception as error:  # noqa: BLE001 - a bug in one check must not hide the others
            self._found[name] = explained(self._patient, error)

    def _finding(self, name: str) -> Finding:
        found = self._found.get(name, _UNFINISHED)
        return Finding(name, found.result, found.told, found.fix)


def can_trade(findings: list[Finding]) -> bool:
    """Return whether everything was looked at, and nothing stands in the way of trading."""
    return not {Result.FAILED, Result.INTERRUPTED} & {each.result for each in findings}
