"""The keys of a local exchange's accounts: made from the account's name, and no secret to anybody.

A front checks them as strictly as a venue would; that anyone can know them is what "local" means.
What a key may do is told by the last part of its account's name: `alice.reads` cannot trade,
`alice.withdraws` may withdraw too, and the account `alice.hedges` is in hedge mode. It is what the
exchange tells when it is asked; orders are taken whatever it tells.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Final

#: Every key begins with it.
MARK: Final = "local-"


@dataclass(frozen=True, slots=True)
class LocalKeys:
    """What an account signs with at a local exchange."""

    account: str
    key: str
    secret: str
    passphrase: str
    uid: str

    @property
    def may_trade(self) -> bool:
        """Whether the key may place and cancel orders."""
        return not self.account.endswith(".reads")

    @property
    def may_withdraw(self) -> bool:
        """Whether the key may take money out of the account; no front knows how to."""
        return self.account.endswith(".withdraws")

    @property
    def hedges(self) -> bool:
        """Whether each symbol has a long and a short position, as the account's mode tells."""
        return self.account.endswith(".hedges")


def local_keys(account: str) -> LocalKeys:
    """Return the keys of *account*; any name has some."""
    digest = sha256(f"opensqt local exchange, account {account}".encode()).hexdigest()
    return LocalKeys(account, f"{MARK}{account}", digest, digest[:16], str(int(digest[:8], 16)))


def keys_of(key: str) -> LocalKeys | None:
    """Return the keys that *key* belongs to; None if it is no key of ours."""
    account = key.removeprefix(MARK)
    return local_keys(account) if key.startswith(MARK) and account else None
