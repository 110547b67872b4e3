"""The ways to people: any service that the library apprise knows, such as webhooks and chats.

The address of a channel is a secret, for whoever knows it may write there: it stands in no message
of ours, and what the library says is told on only without any part of it.
"""

import asyncio
import logging
import re
from dataclasses import dataclass
from typing import Final

import apprise
from pydantic import SecretStr

from activities.delivery import ChannelError
from activities.store.records import StoredAlert
from domain.errors import InvalidValueError
from domain.grid.events import AlertLevel

#: Seconds that a channel gets for one message.
TIMEOUT: Final = 10.0
_ORDER: Final = tuple(AlertLevel)
_TYPES: Final = {
    AlertLevel.INFO: apprise.NotifyType.INFO,
    AlertLevel.WARNING: apprise.NotifyType.WARNING,
    AlertLevel.ERROR: apprise.NotifyType.FAILURE,
    AlertLevel.CRITICAL: apprise.NotifyType.FAILURE,
}
#: Parts of an address that are shorter tell nothing, such as the port or the scheme.
_TELLTALE: Final = 5

# What the library logs may name an address; what it has to say comes back with each call.
logging.getLogger("apprise").propagate = False
# Below that, what fetches an address would tell it where everything is logged.
logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)


@dataclass(frozen=True, slots=True)
class AppriseChannel:
    """One way to people, for alerts of *level* and above."""

    name: str
    url: SecretStr
    level: AlertLevel = AlertLevel.WARNING

    def __post_init__(self) -> None:
        if apprise.Apprise.instantiate(self.url.get_secret_value()) is None:
            raise InvalidValueError(
                f"the address of alert channel {self.name} is none that apprise knows: a webhook "
                "is json://HOST/PATH (jsons:// with TLS), Telegram tgram://TOKEN/CHAT, and Slack "
                "the https address of its webhook"
            )

    def wants(self, level: AlertLevel) -> bool:
        """Return whether an alert of *level* is loud enough for this channel."""
        return _ORDER.index(level) >= _ORDER.index(self.level)

    async def send(self, alert: StoredAlert) -> None:
        """Tell *alert*; raises ChannelError if the channel did not take it within ten seconds."""
        try:
            async with asyncio.timeout(TIMEOUT):
                said = await asyncio.to_thread(self._notify, alert)
        except TimeoutError:
            raise ChannelError(f"no answer within {TIMEOUT:g} s") from None
        if said is not None:
            raise ChannelError(said)

    def _notify(self, alert: StoredAlert) -> str | None:
        """Return None if it was taken, or else why not."""
        said: list[str] = []
        service = apprise.Apprise()
        service.add(self.url.get_secret_value())
        taken = service.notify(
            title=f"{alert.level.upper()} {alert.key}",
            body=_body(alert),
            notify_type=_TYPES[alert.level],
            log_callback=lambda entry, _: said.append(str(entry.message)),
            log_level=logging.WARNING,
        )
        return None if taken else self._harmless("; ".join(said) or "it was not taken")

    def _harmless(self, text: str) -> str:
        """Return *text* without any part of the channel's address."""
        for part in re.split(r"[^\w.\-]+", self.url.get_secret_value()):
            if len(part) >= _TELLTALE:
                text = text.replace(part, "***")
        return text


def _body(alert: StoredAlert) -> str:
    lines = [alert.message, *(f"{name}: {value}" for name, value in alert.fields.items())]
    if alert.times > 1:
        lines.append(f"said {alert.times} times")
    return "\n".join([*lines, f"{alert.at:%F %T} UTC"])
