"""What both kinds of Bybit's sockets have in common: what is asked, and plain answers."""

from collections.abc import Iterator
from itertools import count
from typing import Any


def op_of(message: Any) -> Any:
    """Return what a message asks for."""
    return message.get("op") if isinstance(message, dict) else None


def subscribed(message: Any, words: str, connection: str) -> dict[str, Any]:
    """Return the answer to a subscription."""
    told = {"success": True, "ret_msg": words, "op": "subscribe", "conn_id": connection}
    return told | {"req_id": message.get("req_id", "")}


def refused(message: Any, words: str, connection: str) -> dict[str, Any]:
    """Return the refusal of what a message asks for."""
    number_ = message.get("req_id", "") if isinstance(message, dict) else ""
    told = {"success": False, "ret_msg": words, "op": str(op_of(message) or "")}
    return told | {"conn_id": connection, "req_id": number_}


def connections() -> Iterator[str]:
    """Yield names of connections."""
    return (f"local-{number}" for number in count(1))
