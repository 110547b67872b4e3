"""What Bitget's error codes mean: those of REST, and the others that its WebSocket has."""

from collections.abc import Mapping
from typing import Final

from activities.venues.ccxt.meanings import Meaning

CODES: Final[Mapping[str, Meaning]] = {
    # System trouble: what was asked for may have been done.
    "1": Meaning.UNKNOWN,
    "500": Meaning.UNKNOWN,
    "30008": Meaning.UNKNOWN,
    "40010": Meaning.UNKNOWN,
    "40015": Meaning.UNKNOWN,
    "40725": Meaning.UNKNOWN,
    "45001": Meaning.UNKNOWN,
    "50008": Meaning.UNKNOWN,
    "40200": Meaning.UNAVAILABLE,
    "40308": Meaning.UNAVAILABLE,
    "40604": Meaning.UNAVAILABLE,
    "41114": Meaning.UNAVAILABLE,
    "43115": Meaning.UNAVAILABLE,
    "429": Meaning.RATE_LIMITED,
    "1001": Meaning.RATE_LIMITED,
    "50009": Meaning.RATE_LIMITED,
    "40001": Meaning.AUTHENTICATION,
    "40002": Meaning.AUTHENTICATION,
    "40003": Meaning.AUTHENTICATION,
    "40006": Meaning.AUTHENTICATION,
    "40009": Meaning.AUTHENTICATION,
    "40011": Meaning.AUTHENTICATION,
    "40012": Meaning.AUTHENTICATION,
    "40014": Meaning.AUTHENTICATION,
    "40018": Meaning.AUTHENTICATION,
    "40037": Meaning.AUTHENTICATION,
    # A unified account does not speak this API: a person has to act.
    "40085": Meaning.AUTHENTICATION,
    "40004": Meaning.CLOCK,
    "40005": Meaning.CLOCK,
    "40008": Meaning.CLOCK,
    "00001": Meaning.INVALID,
    "40017": Meaning.INVALID,
    "40019": Meaning.INVALID,
    "40020": Meaning.INVALID,
    "40305": Meaning.INVALID,
    "40704": Meaning.INVALID,
    "40706": Meaning.INVALID,
    "40774": Meaning.INVALID,
    "40808": Meaning.INVALID,
    "41103": Meaning.INVALID,
    "43011": Meaning.INVALID,
    "45110": Meaning.INVALID,
    "45111": Meaning.INVALID,
    "45113": Meaning.INVALID,
    "50014": Meaning.INVALID,
    "50019": Meaning.INVALID,
    "40034": Meaning.UNKNOWN_SYMBOL,
    "40102": Meaning.UNKNOWN_SYMBOL,
    "40309": Meaning.UNKNOWN_SYMBOL,
    "40711": Meaning.INSUFFICIENT_FUNDS,
    "40712": Meaning.INSUFFICIENT_FUNDS,
    "40754": Meaning.INSUFFICIENT_FUNDS,
    "40762": Meaning.INSUFFICIENT_FUNDS,
    "43012": Meaning.INSUFFICIENT_FUNDS,
    "50020": Meaning.INSUFFICIENT_FUNDS,
    "22002": Meaning.REDUCE_ONLY,
    "40757": Meaning.REDUCE_ONLY,
    # Each of four words for it was seen in the venue's tables.
    "40708": Meaning.DUPLICATE,
    "40786": Meaning.DUPLICATE,
    "43118": Meaning.DUPLICATE,
    "45034": Meaning.DUPLICATE,
    # Unknown, or (22001) nothing left to cancel.
    "22001": Meaning.NOT_FOUND,
    "40109": Meaning.NOT_FOUND,
    "40768": Meaning.NOT_FOUND,
    "43001": Meaning.NOT_FOUND,
}
#: 40708 is also said of parameters in general.
PHRASES: Final = (
    ("40708", "verification", Meaning.INVALID),
    ("40708", "Parameter", Meaning.INVALID),
)
#: The same numbers mean other things on a socket.
SOCKET_CODES: Final[Mapping[str, Meaning]] = {
    "30002": Meaning.AUTHENTICATION,
    "30004": Meaning.AUTHENTICATION,
    "30005": Meaning.AUTHENTICATION,
    "30006": Meaning.RATE_LIMITED,
    "30007": Meaning.RATE_LIMITED,
    "30011": Meaning.AUTHENTICATION,
    "30012": Meaning.AUTHENTICATION,
    "30013": Meaning.CLOCK,
    "30014": Meaning.CLOCK,
    "30015": Meaning.AUTHENTICATION,
}
