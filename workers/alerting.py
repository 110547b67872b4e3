"""The ways to people that the settings name."""

from activities.delivery import Channel, Delivery
from activities.store.ledger import Ledger
from domain.errors import InvalidValueError
from workers.settings import Settings
from workers.venues import secret_of


def channels_of(settings: Settings) -> list[Channel]:
    """Return the channels; raises InvalidValueError for one whose address is not usable."""
    # Only those who deliver pay for the library that does it.
    from activities.channels import AppriseChannel  # noqa: PLC0415

    found: list[Channel] = []
    for name, known in sorted(settings.alerts.items()):
        url = secret_of("url", known.url, known.url_file)
        if url is None:
            raise InvalidValueError(
                f"alert channel {name} needs its address: put it into a file of mode 600 and set "
                f"OPENSQT_ALERTS__{name.upper()}__URL_FILE to its path"
            )
        found.append(AppriseChannel(name, url, known.level))
    return found


def delivery_of(settings: Settings, ledger: Ledger) -> Delivery | None:
    """Return what brings alerts to their channels; None if there are no channels.

    Then alerts wait in the ledger, for another process may know some.
    """
    if not settings.alerts:
        return None
    return Delivery(ledger, channels_of(settings))
