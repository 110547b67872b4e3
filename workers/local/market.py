"""Which market the exchange of a stack trades; a data directory keeps the one it began with."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from domain.errors import InvalidValueError
from workers.local.stack import Market

_MADE: Final = Market("BTC/USDT:USDT", "perpetual")
_NAME: Final = re.compile(
    r"_(?P<market>spot|usdm|perp)_(?P<base>[A-Z0-9]{2,12})(?P<quote>USD[TC])_"
)


def market_of(
    before: Mapping[str, Any] | None,
    tape: Path | None,
    seed: int | None,
    speed: Decimal | None,
    usual_speed: Decimal = Decimal(1),
) -> Market:
    """Return the market asked for, or else that of *before*, or else a made one.

    Raises InvalidValueError for a tape that does not exist or does not tell its market.
    """
    if tape is not None:
        return _recorded(tape, speed or usual_speed)
    if seed is not None:
        return Market(_MADE.symbol, _MADE.kind, seed=seed, speed=speed or usual_speed)
    if before is None:
        return Market(_MADE.symbol, _MADE.kind, speed=speed or usual_speed)
    known = Decimal(str(before.get("speed", "1")))
    return Market(
        str(before["symbol"]),
        str(before["kind"]),
        before.get("tape"),
        int(before.get("seed", 1)),
        speed or known,
    )


def live_market_of(
    before: Mapping[str, Any] | None, feed: str | None, symbols: Sequence[str], usual: str | None
) -> Market | None:
    """Return the live market asked for, or else that of *before*, or of the settings (*usual*).

    None: none of them is live. Raises InvalidValueError for symbols without a feed.
    """
    known = before or {}
    feed = feed or known.get("feed") or (usual if before is None else None)
    if feed is None:
        if symbols:
            raise InvalidValueError("--symbol belongs to --feed VENUE: which venue is followed?")
        return None
    wanted = tuple(symbols) or tuple(known.get("symbols", ())) or (_MADE.symbol,)
    kind = "perpetual" if ":" in wanted[0] else "spot"
    return Market(wanted[0], kind, feed=feed, symbols=wanted)


def _recorded(tape: Path, speed: Decimal) -> Market:
    if not tape.is_file():
        raise InvalidValueError(f"--tape must be a file, was {tape}: check the path")
    named = _NAME.search(tape.name)
    if named is None:
        raise InvalidValueError(
            f"--tape must tell its market in its name, as in venue_spot_BTCUSDT_trades.csv.gz, was "
            f"{tape.name}: rename it"
        )
    base, quote = named["base"], named["quote"]
    if named["market"] == "spot":
        return Market(f"{base}/{quote}", "spot", str(tape.absolute()), speed=speed)
    return Market(f"{base}/{quote}:{quote}", "perpetual", str(tape.absolute()), speed=speed)
