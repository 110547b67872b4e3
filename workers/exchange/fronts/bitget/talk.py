"""What both kinds of Bitget's sockets have in common: pings, subscriptions, errors."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from domain.money import MarketKind
from workers.exchange.fronts.bitget import rows
from workers.exchange.fronts.sockets import Socket

HOST: Final = "ws.bitget.com"
KINDS: Final = {rows.PRODUCT: MarketKind.PERPETUAL, "SPOT": MarketKind.SPOT}


def pong(socket: Socket, message: Any) -> bool:
    """Answer a ping; return whether it was one."""
    if message == "ping":
        socket.say("pong")
    return bool(message == "ping")


def subscriptions(socket: Socket, message: Any) -> Sequence[Mapping[str, Any]]:
    """Return what is to be subscribed to; anything else is refused."""
    if isinstance(message, dict) and message.get("op") == "subscribe":
        args = message.get("args")
        if isinstance(args, list) and all(isinstance(each, dict) for each in args):
            return args
    socket.say(error(30003, "INVALID op"))
    return ()


def error(code: int, message: str) -> dict[str, Any]:
    """Return a refusal."""
    return {"event": "error", "code": code, "msg": message}
