"""The keys of a local exchange's accounts: made from the account's name, and no secret to anybody.

A front checks them as strictly as a venue would; that anyone can know them is what "local" means.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

_MARK: Final = "local-"


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """What an account signs with at a local exchange."""

    account: str
    key: str
    secret: str
    passphrase: str
    uid: str


def local_keys(account: str) -> LocalKeys:
    """Return the keys of *account*; any name has some."""
    digest = sha256(f"opensqt local exchange, account {account}".encode()).hexdigest()
    return LocalKeys(account, f"{_MARK}{account}", digest, digest[:16], str(int(digest[:8], 16)))


def keys_of(key: str) -> LocalKeys | None:
    """Return the keys that *key* belongs to; None if it is no key of ours."""
    account = key.removeprefix(_MARK)
    return local_keys(account) if key.startswith(_MARK) and account else None
