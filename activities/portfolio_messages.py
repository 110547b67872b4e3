"""What the workflow of a portfolio and its activities say to each other."""

from dataclasses import dataclass
from decimal import Decimal

from domain.arbitrage.portfolio_state import Survey
from domain.arbitrage.spec import ArbSpec
from domain.arbitrage.universe import ScanFailed, UniverseSpec
from domain.grid.events import Alert


@dataclass(frozen=True, slots=True)
class SurveyInput:
    """What to scan, and what of it is asked for; `held` are pairs by their name."""

    accounts: tuple[str, ...]
    universe: UniverseSpec
    quote: str
    held: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Surveyed:
    """What a scan came to: one of the two."""

    survey: Survey | None = None
    failed: ScanFailed | None = None


@dataclass(frozen=True, slots=True)
class AccountLookInput:
    """An account to be looked at: what it has of *quote*, and how much margin it needs."""

    account: str
    quote: str
    #: Reckoned with where the venue does not tell the health of the account.
    maintenance_rate: Decimal


@dataclass(frozen=True, slots=True)
class CloseRun:
    """End the run of a pair, its position first."""

    run_id: str
    by: str
    why: str
    #: Makes a repeated command the same one.
    number: str


@dataclass(frozen=True, slots=True)
class ChangeRun:
    """Give the run of a pair other settings."""

    run_id: str
    spec: ArbSpec
    by: str
    why: str
    number: str


@dataclass(frozen=True, slots=True)
class PortfolioTold:
    """What a portfolio did, for the audit log, and what people should hear of it."""

    subject: str
    did: str
    who: str
    why: str
    alerts: tuple[Alert, ...] = ()
    after: dict[str, str] | None = None
    before: dict[str, str] | None = None
