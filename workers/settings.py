"""What a process is told by its environment, and where it finds the stack of `opensqt up`.

This is the only module that reads the environment; everything else is given plain values.
"""

import json
import os
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from activities.venues.ccxt.registry import VENUES
from domain.errors import InvalidValueError
from domain.grid.events import AlertLevel
from domain.money import MarketKind
from domain.risk.spec import RiskSpec

DEFAULT_DATA_DIR: Final = Path(".opensqt")
_PREFIX: Final = "OPENSQT_"
#: The venue that is no registry's: the paper exchange behind gRPC.
PAPER: Final = "paper"
#: What `up` writes into its data directory, and what of it is a setting.
STACK_FILE: Final = "stack.json"
_STACK_SETTINGS: Final = ("database", "temporal", "temporal_ui", "exchange", "metrics")


def _known_venue(venue: str) -> str:
    if venue not in (PAPER, *VENUES):
        # The value stays out of the message, as that of any setting.
        raise InvalidValueError(f"must be one of {', '.join((PAPER, *VENUES))}")
    return venue


class AccountSettings(BaseModel):
    """One account: at which venue, of which kind of market, and the keys that sign for it.

    A key is given as text or, better, as the file it stands in, which nobody else may read. An
    account that trades both kinds is set up twice, under two names.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    venue: str = PAPER
    #: Of paper: where it is reached, if not at the common address.
    address: str | None = None
    #: Of paper: the venue whose real market a local stack's exchange follows, live; None: a made
    #: market.
    feed: str | None = None
    #: No entry of more than this much quote leaves; None: any size. The last gate sees to it.
    max_order_notional: Decimal | None = Field(default=None, gt=0)
    market: MarketKind = MarketKind.PERPETUAL
    #: Nobody but our runs trades on the account: orders that none of them has sent are canceled.
    exclusive: bool = False
    key: SecretStr | None = None
    key_file: Path | None = None
    secret: SecretStr | None = None
    secret_file: Path | None = None
    passphrase: SecretStr | None = None
    passphrase_file: Path | None = None
    #: Gate's user number.
    uid: str | None = None
    #: Orders and cancels per second, over all processes that trade this account with one ledger.
    orders_per_second: int = Field(default=10, ge=1, le=1000)
    #: A local exchange (HOST:PORT of its fronts) instead of the real venue, and its certificate
    #: authority.
    local: str | None = None
    #: Trade at the real venue. Without it, and without `local`, nothing is opened.
    real: bool = False
    authority: Path | None = None

    @field_validator("venue")
    @classmethod
    def _is_known(cls, venue: str) -> str:
        return _known_venue(venue)

    @field_validator("feed")
    @classmethod
    def _can_be_followed(cls, feed: str | None) -> str | None:
        if feed is not None and feed not in VENUES:
            raise InvalidValueError(f"must be one of {', '.join(VENUES)}")
        return feed

    @model_validator(mode="after")
    def _follows_on_paper_only(self) -> Self:
        if self.feed is not None and self.venue != PAPER:
            raise InvalidValueError(
                f"feed belongs to venue=paper, was with venue={self.venue}: that one trades there"
            )
        return self


class MonitorFeed(BaseModel):
    """Where the candles of the market monitor come from; no key is needed for them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: None: the market of the first account, by name.
    venue: str | None = None
    #: Of a venue other than paper.
    market: MarketKind = MarketKind.PERPETUAL
    #: Of paper: where it is reached, if not at the common address.
    address: str | None = None
    #: A local exchange (HOST:PORT of its fronts) instead of the real venue, and its authority.
    local: str | None = None
    authority: Path | None = None

    @field_validator("venue")
    @classmethod
    def _is_known(cls, venue: str | None) -> str | None:
        return None if venue is None else _known_venue(venue)


class ChannelSettings(BaseModel):
    """A way to people. Whoever knows its address may write there, so it is kept like a key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: SecretStr | None = None
    url_file: Path | None = None
    #: Alerts that are less loud are not told here.
    level: AlertLevel = AlertLevel.WARNING


class Settings(BaseSettings):
    """Settings of any process. Precedence: arguments, environment, `stack.json`, defaults.

    Addresses are host:port. `OPENSQT_ACCOUNTS__MAIN__ADDRESS` sets a field of the account `main`.
    """

    model_config = SettingsConfigDict(
        env_prefix=_PREFIX, env_nested_delimiter="__", env_ignore_empty=True, frozen=True
    )

    data_dir: Path = DEFAULT_DATA_DIR
    #: The URL of the ledger, perhaps with a password; None: a SQLite file in `data_dir`.
    database: str | None = Field(default=None, repr=False)
    temporal: str = "127.0.0.1:7233"
    namespace: str = "default"
    #: The address people see runs at; None: there is no UI that we know of.
    temporal_ui: str | None = None
    #: Where accounts without an address of their own find their paper exchange.
    exchange: str = "127.0.0.1:50051"
    #: Where a worker serves its metrics; None: nowhere.
    metrics: str | None = None
    accounts: dict[str, AccountSettings] = {"paper": AccountSettings()}
    #: What halts openings; every process must be told the same.
    risk: RiskSpec = RiskSpec()
    #: Where the market is watched; whether it is, says `risk.monitor`.
    monitor_feed: MonitorFeed = MonitorFeed()
    #: Where alerts are told, by a name for each channel.
    alerts: dict[str, ChannelSettings] = {}

    @property
    def ledger_url(self) -> str:
        """The database of the ledger."""
        # Most commands need settings and no database, whose library is slow to load.
        from activities.store.database import sqlite_url  # noqa: PLC0415

        return self.database or sqlite_url(self.data_dir / "ledger.db")

    def address_of(self, account: str) -> str:
        """Return where the exchange of *account* is reached.

        Raises InvalidValueError for an account that is not set up.
        """
        known = self.account(account)
        return known.address or (self.exchange if known.venue == PAPER else known.venue)

    def account(self, account: str) -> AccountSettings:
        """Return the settings of *account*, or raise InvalidValueError if it is not set up."""
        known = self.accounts.get(account)
        if known is None:
            raise InvalidValueError(
                f"account must be one of {', '.join(sorted(self.accounts))}, was {account}; "
                f"{_PREFIX}ACCOUNTS__{account.upper()}__VENUE=paper sets it up"
            )
        return known

    @property
    def watched(self) -> MonitorFeed:
        """Where the market is watched, by default at the market of the first account.

        Live paper fills here, but only the venue that it follows knows what is traded.
        """
        if self.monitor_feed.venue is not None or not self.accounts:
            return self.monitor_feed
        name = min(self.accounts)
        first = self.accounts[name]
        if first.venue == PAPER and first.feed is None:
            return MonitorFeed(venue=PAPER, address=self.address_of(name))
        return MonitorFeed(
            venue=first.feed or first.venue,
            market=first.market,
            local=first.local,
            authority=first.authority,
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the base class gives it
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the same
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Add the running stack's file below the environment."""
        return (init_settings, env_settings, _StackFile(settings_cls))


class _StackFile(PydanticBaseSettingsSource):
    """The addresses of the stack that runs, or ran last, on the data directory."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        raise NotImplementedError  # all fields are read at once

    def __call__(self) -> dict[str, Any]:
        directory = Path(self.current_state.get("data_dir", DEFAULT_DATA_DIR))
        stack = read_stack(directory)
        return {name: stack[name] for name in _STACK_SETTINGS if name in stack}


def read_stack(directory: Path) -> dict[str, Any]:
    """Return what `up` wrote into *directory*; empty if it never did.

    Raises InvalidValueError if the file is not what `up` writes.
    """
    path = directory / STACK_FILE
    try:
        stack = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise InvalidValueError(
            f"{path} could not be read ({error.strerror}): check its rights"
        ) from error
    except ValueError as error:
        raise InvalidValueError(
            f"{path} is damaged ({error}): delete it, `opensqt up` writes a new one"
        ) from error
    if not isinstance(stack, dict):
        raise InvalidValueError(f"{path} is damaged: delete it, `opensqt up` writes a new one")
    return stack


def load_settings(data_dir: Path | None = None) -> Settings:
    """Return the settings, or raise InvalidValueError naming each variable that is wrong.

    *data_dir* overrides `OPENSQT_DATA_DIR`.
    """
    try:
        return Settings() if data_dir is None else Settings(data_dir=data_dir)
    except ValidationError as error:
        # Values stay out of the message: one of them may be a password.
        wrong = [
            f"{_PREFIX}{'__'.join(map(str, problem['loc'])).upper()}: {problem['msg']}"
            for problem in error.errors(include_url=False, include_input=False)
        ]
        raise InvalidValueError("\n".join(wrong)) from None


def debugging() -> bool:
    """Return whether a person asked for tracebacks (`OPENSQT_DEBUG=1`)."""
    return os.environ.get(f"{_PREFIX}DEBUG", "") not in ("", "0")
