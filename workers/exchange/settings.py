"""What the paper exchange is started with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from ipaddress import ip_address
from pathlib import Path
from types import MappingProxyType
from typing import Final

from domain.errors import InvalidValueError
from domain.money import MarketKind

#: What every account has when it is first used, where nothing else is said.
STARTING_BALANCES: Final[Mapping[str, Decimal]] = MappingProxyType(
    {"USDT": Decimal(100_000), "BTC": Decimal(10), "ETH": Decimal(100)}
)


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """Settings of one exchange. Raises InvalidValueError for what cannot be meant.

    `speed` is market seconds per wall second, 0: only `Advance` moves the market. Without a `tape`
    the market is a process made from `seed`, `start_price`, `volatility` (the standard deviation of
    a day's return), `mean_gap` (between two trades) and `pull_ppm` (back to the start price, per
    trade); it begins at `start_at`, else at the time of its first start.
    """

    data: Path
    listen: str = "127.0.0.1:50051"
    insecure_listen: bool = False
    tape: Path | None = None
    symbol: str | None = None
    market: MarketKind | None = None
    loop: bool = False
    seed: int = 1
    start_price: Decimal = Decimal(60_000)
    volatility: Decimal = Decimal("0.04")
    pull_ppm: int = 20
    mean_gap: timedelta = timedelta(milliseconds=250)
    start_at: datetime | None = None
    speed: Decimal = Decimal(1)
    balances: Mapping[str, Decimal] = field(default_factory=lambda: STARTING_BALANCES)
    faults: Path | None = None
    #: The venues whose protocols are spoken as well, and where (TLS).
    fronts: tuple[str, ...] = ()
    fronts_listen: str = "127.0.0.1:0"
    #: Where the control API answers (HTTP and JSON, loopback only); None: nowhere.
    control: str | None = None
    #: What is traded where it is several: of made markets, or of the one that is followed.
    symbols: tuple[str, ...] = ()
    #: Levels of others' orders on each side of a made or recorded market; 0: there are no others,
    #: and the market outside takes any quantity. Made perpetuals then settle funding, too.
    crowd: int = 0
    #: The rate of each of these settlements; None: made ones.
    funding: Decimal | None = None
    #: The venue whose public market is followed live instead of a tape.
    feed: str | None = None
    #: A local exchange (HOST:PORT of its fronts) in place of that venue, and its authority.
    feed_local: str | None = None
    feed_authority: Path | None = None

    @property
    def feed_kind(self) -> MarketKind:
        """Spot or perpetual: unified symbols tell it."""
        return MarketKind.PERPETUAL if ":" in self.symbols[0] else MarketKind.SPOT

    def _check_feed(self) -> None:
        if self.feed is None:
            if self.feed_local:
                raise InvalidValueError(
                    "--feed-local and --feed-authority belong to --feed VENUE, "
                    f"--feed-local was {self.feed_local}: give both or none"
                )
            return
        if self.tape is not None:
            raise InvalidValueError("--feed and --tape were both given: a market is one of them")
        if self.speed != 1:
            raise InvalidValueError(f"a live market has speed 1, was {self.speed}: leave it out")
        if not self.symbols:
            raise InvalidValueError("--feed needs --symbols, such as BTC/USDT:USDT,ETH/USDT:USDT")
        if len({":" in symbol for symbol in self.symbols}) > 1:
            raise InvalidValueError(
                "--symbols must be all spot or all perpetual (BTC/USDT:USDT), were "
                f"{', '.join(self.symbols)}: run an exchange for each"
            )

    def _check_made(self) -> None:
        if self.symbols and (self.tape or self.symbol):
            raise InvalidValueError(
                f"--symbols {','.join(self.symbols)} names several made or followed markets: give "
                "it without --tape and --symbol"
            )
        if self.funding is not None and (self.tape or not self.crowd):
            raise InvalidValueError(
                f"--funding was {self.funding}, but only made perpetuals with --crowd settle any: "
                "give --crowd 10 as well, and no --tape"
            )
        if self.crowd and self.feed:
            raise InvalidValueError(
                f"--crowd was {self.crowd}, but others at a live market are real: leave it out"
            )

    def __post_init__(self) -> None:
        self._check_feed()
        self._check_made()
        if self.speed < 0:
            raise InvalidValueError(f"speed must not be negative, was {self.speed}")
        if self.start_price <= 0:
            raise InvalidValueError(f"start price must be positive, was {self.start_price}")
        if self.volatility < 0:
            raise InvalidValueError(f"volatility must not be negative, was {self.volatility}")
        if self.control is not None and not _loopback(_address(self.control)[0]):
            raise InvalidValueError(
                f"control was {self.control}, which others can reach: give it an address of this "
                "machine alone, such as 127.0.0.1:8088"
            )
        for listen in (self.listen, self.fronts_listen):
            host, _ = _address(listen)
            if not self.insecure_listen and not _loopback(host):
                raise InvalidValueError(
                    f"listen was {listen}, which others can reach without a password: listen on "
                    "127.0.0.1, or add --insecure-listen if the network is your own"
                )

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        return _address(self.listen)

    @property
    def control_address(self) -> tuple[str, int] | None:
        """Host and port of `control`."""
        return None if self.control is None else _address(self.control)

    @property
    def fronts_address(self) -> tuple[str, int]:
        """Host and port of `fronts_listen`."""
        return _address(self.fronts_listen)


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise InvalidValueError(f"listen must be HOST:PORT, such as 127.0.0.1:50051, was {listen}")
    if int(port) > 65535:
        raise InvalidValueError(f"listen must have a port up to 65535, was {listen}")
    return host, int(port)


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
