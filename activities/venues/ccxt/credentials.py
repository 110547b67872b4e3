"""The keys of an account, as something that cannot be printed by accident."""

from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from stat import S_IMODE
from typing import Final

from pydantic import SecretStr

from domain.errors import InvalidValueError

_OTHERS: Final = 0o177  # more than reading and writing by the owner


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs an account's requests. `repr` shows none of it."""

    key: SecretStr = field(repr=False)
    secret: SecretStr = field(repr=False)
    #: OKX and Bitget.
    passphrase: SecretStr | None = field(default=None, repr=False)
    #: Gate's user number.
    uid: str | None = field(default=None, repr=False)

    def config(self) -> dict[str, str]:
        """Return the keys as ccxt's constructor takes them."""
        config = {
            "apiKey": self.key.get_secret_value(),
            "secret": self.secret.get_secret_value(),
        }
        if self.passphrase is not None:
            config["password"] = self.passphrase.get_secret_value()
        if self.uid is not None:
            config["uid"] = self.uid
        return config

    @property
    def user(self) -> str:
        """A name of the user that tells nothing of the key."""
        return self.uid or sha256(self.key.get_secret_value().encode()).hexdigest()[:16]

    def redact(self, text: str) -> str:
        """Return *text* without any of the secrets it may hold."""
        for secret in (self.key, self.secret, self.passphrase):
            if secret is not None and secret.get_secret_value():
                text = text.replace(secret.get_secret_value(), "***")
        return text


def read_secret(path: Path) -> SecretStr:
    """Return the one line of a secret's file.

    Raises InvalidValueError if others can read the file, or it cannot be read. What is in the file
    never stands in the message.
    """
    try:
        mode = S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            raise InvalidValueError(
                f"the secret in {path} must be readable by its owner only, its mode was "
                f"{mode:04o}: chmod 600 {path}"
            )
        text = path.read_text().strip()
    except OSError as error:
        raise InvalidValueError(f"the secret in {path} cannot be read: {error.strerror}") from None
    if not text:
        raise InvalidValueError(f"the secret in {path} must not be empty")
    return SecretStr(text)
