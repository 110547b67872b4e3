"""The venue of an account, as its settings name it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from activities.scanning import Marketplace, marketplace
from activities.venues.ccxt.registry import quirks_of
from activities.venues.remote import RemoteVenue
from domain.conditions import FullVenue
from domain.errors import InvalidValueError
from domain.limiter import Rate
from domain.money import MarketKind
from domain.ports import Venue
from workers.settings import PAPER, AccountSettings, Settings

if TYPE_CHECKING:
    from activities.store.ledger import Ledger
    from activities.venues.ccxt.hosts import Local
    from activities.venues.ccxt.venue import CcxtVenue


@asynccontextmanager
async def open_venue(
    settings: Settings, account: str, ledger: "Ledger | None" = None
) -> AsyncIterator[Venue]:
    """Yield the venue of *account*.

    Its rates are shared with all who use *ledger*. Without one, which is for those who only look,
    what is asked comes on top of that.

    Raises InvalidValueError for an unknown venue, and for keys that are missing or unsafe.
    """
    known = settings.account(account)
    if known.venue == PAPER:
        async with RemoteVenue(settings.address_of(account), account) as paper:
            yield paper
        return
    async with open_gateway(account, known) as venue:
        if ledger is None:
            yield venue
            return
        async with venue.share_rates(ledger):
            yield venue


@asynccontextmanager
async def open_gateway(account: str, known: AccountSettings) -> AsyncIterator["CcxtVenue"]:
    """Yield a venue other than paper, signed in as *account*; raises as `open_venue`."""
    refuse_unmeant(account, known)
    # Only those who trade at a real venue pay for its library.
    from activities.venues.ccxt.credentials import Credentials  # noqa: PLC0415
    from activities.venues.ccxt.venue import CcxtVenue  # noqa: PLC0415

    quirks = quirks_of(known.venue, known.market)
    passphrase = secret_of("passphrase", known.passphrase, known.passphrase_file)
    credentials = Credentials(
        _needed(account, "key", known.key, known.key_file),
        _needed(account, "secret", known.secret, known.secret_file),
        passphrase,
        known.uid,
    )
    local = local_of(account, known.local, known.authority)
    orders = Rate(known.orders_per_second, timedelta(seconds=1))
    async with CcxtVenue(quirks, credentials, local=local, orders=orders) as venue:
        yield venue


@asynccontextmanager
async def open_public(
    name: str, kind: MarketKind, local: "Local | None" = None
) -> AsyncIterator[FullVenue]:
    """Yield the venue *name* without keys: only what anybody may see can be asked."""
    from activities.venues.ccxt.venue import CcxtVenue  # noqa: PLC0415 - as above

    async with CcxtVenue(quirks_of(name, kind), None, local=local) as venue:
        yield venue


@asynccontextmanager
async def open_place(settings: Settings, account: str) -> AsyncIterator[Marketplace]:
    """Yield the market of *account* as anybody may see it: no key of it is read.

    Raises InvalidValueError if it has no list of all markets.
    """
    known = settings.account(account)
    if known.venue == PAPER:
        raise InvalidValueError(
            f"account {account} is on paper, which has no list of all markets: a portfolio is of "
            "accounts at exchanges"
        )
    refuse_unmeant(account, known)
    local = local_of(account, known.local, known.authority)
    async with open_public(known.venue, known.market, local) as venue:
        yield marketplace(account, known.market, venue)


def refuse_unmeant(account: str, known: AccountSettings) -> None:
    """Raise InvalidValueError unless it is said which exchange is meant, local or real."""
    if known.local is None and not known.real:
        prefix = f"OPENSQT_ACCOUNTS__{account.upper()}"
        raise InvalidValueError(
            f"account {account} is at {known.venue}: set {prefix}__LOCAL=HOST:PORT for a local "
            f"exchange, or {prefix}__REAL=true to trade with real money. The gateways have been "
            "tested against local exchanges only"
        )
    if known.local is not None and known.real:
        raise InvalidValueError(
            f"account {account} is given as local ({known.local}) and as real; it is one of them"
        )


def _needed(account: str, name: str, text: SecretStr | None, path: Path | None) -> SecretStr:
    secret = secret_of(name, text, path)
    if secret is None:
        raise InvalidValueError(
            f"account {account} needs its {name}: put it into a file of mode 600 and set "
            f"OPENSQT_ACCOUNTS__{account.upper()}__{name.upper()}_FILE to its path"
        )
    return secret


def secret_of(name: str, text: SecretStr | None, path: Path | None) -> SecretStr | None:
    """Return the secret *name*, given as text or in a file that only its owner may read.

    Raises InvalidValueError if it is given as both, or if others may read the file.
    """
    from activities.venues.ccxt.credentials import read_secret  # noqa: PLC0415 - as above

    if text is not None and path is not None:
        raise InvalidValueError(f"a {name} is given as text or as a file, was given as both")
    return text if path is None else read_secret(path)


def local_of(account: str, address: str | None, authority: Path | None) -> "Local | None":
    """Return the local exchange that *account* names; None if it names none.

    Raises InvalidValueError for an address that is none, and if it has no authority.
    """
    from activities.venues.ccxt.hosts import Local  # noqa: PLC0415 - as above

    if address is None:
        return None
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise InvalidValueError(
            f"local of account {account} must be HOST:PORT, such as 127.0.0.1:8443, was {address}"
        )
    if authority is None:
        raise InvalidValueError(
            f"account {account} is local and needs the authority of that exchange: "
            "authority.pem in its data directory"
        )
    return Local(host, int(port), authority)
