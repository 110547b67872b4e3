"""Messages that real venues said, where the recorded data lies beside the project."""

import gzip
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from activities.venues.ccxt.markets import Market
from activities.venues.ccxt.quirks import Quirks
from activities.venues.ccxt.registry import quirks_of
from activities.venues.ccxt.sockets import Conversation
from domain.money import Instrument, MarketKind, Quantity

Talking = Callable[[Quirks], Conversation[Any]]

_DATA: Final = Path(__file__).parents[2] / "shared" / "data" / "messages"
#: A step that every recorded price and quantity is on.
_FINE: Final = Decimal("0.00000001")
#: A pass over fewer messages is too short to be measured.
_ENOUGH: Final = 5000


@dataclass(frozen=True, slots=True)
class Recording:
    """Messages of one kind, and who reads them."""

    what: str
    quirks: Quirks
    talking: Talking
    messages: Sequence[bytes]
    note: str


@dataclass(frozen=True, slots=True)
class _File:
    what: str
    venue: str
    kind: MarketKind
    name: str
    talking: Talking
    #: What the wanted messages have in common.
    part: str = ""


_FILES: Final = (
    _File(
        "binance: prices",
        "binance",
        MarketKind.PERPETUAL,
        "binance_usdm_BTCUSDT_ws_raw_20240808",
        lambda quirks: quirks.price_talk(list(quirks.markets.values())),
        '"stream":"btcusdt@trade"',
    ),
    _File(
        "binance spot: prices",
        "binance",
        MarketKind.SPOT,
        "binance_spot_BTCUSDT_ws_raw_20240808",
        lambda quirks: quirks.price_talk(list(quirks.markets.values())),
        '"stream":"btcusdt@trade"',
    ),
    _File(
        "okx: prices",
        "okx",
        MarketKind.PERPETUAL,
        "cryptofeed_okx_public_ws_20220513",
        lambda quirks: quirks.price_talk(list(quirks.markets.values())),
        '"channel":"trades"',
    ),
    _File(
        "binance: order stream",
        "binance",
        MarketKind.PERPETUAL,
        "session_binance_usdm_4orders_20241009",
        lambda quirks: quirks.news_talk(),
    ),
)


def recorded() -> Iterator[Recording]:
    """Yield what there is; nothing where there are no recordings."""
    for file in _FILES:
        path = _DATA / f"{file.name}.jsonl.gz"
        if path.exists():
            messages = [text for text in _texts(path) if file.part in text]
            yield _recording(file, [json.loads(text) for text in messages])


def _texts(path: Path) -> Iterator[str]:
    """Yield frames as text: as they are, or out of a record of a frame that came in."""
    with gzip.open(path, "rt") as lines:
        for line in lines:
            record = json.loads(line)
            if "e" in record:
                yield line
            elif record.get("dir", "recv") == "recv" and "raw" in record:
                yield record["raw"]


def _recording(file: _File, messages: Sequence[Any]) -> Recording:
    told = [each for each in messages if each.get("event") is None]  # no answers
    quirks = quirks_of(file.venue, file.kind)
    for name in {name for each in told for name in _markets(each)}:
        quirks.markets[name] = _market(name, file.kind)
    written = [json.dumps(each, separators=(",", ":")).encode() for each in told]
    note = f"{len(told)} messages of the real venue"
    return Recording(file.what, quirks, file.talking, written * -(-_ENOUGH // len(told)), note)


def _markets(message: Any) -> Iterator[str]:
    """Yield the venue's names of markets, at any depth."""
    if isinstance(message, list):
        for each in message:
            yield from _markets(each)
    elif isinstance(message, dict):
        yield from (message[key] for key in ("s", "instId") if key in message)
        yield from _markets(list(message.values()))


def _market(name: str, kind: MarketKind) -> Market:
    instrument = Instrument(
        name,
        kind,
        "BASE",
        "USDT",
        tick_size=_FINE,
        lot_size=_FINE,
        min_quantity=Quantity(1),
        min_notional=Decimal(0),
        maker_fee=Decimal(0),
        taker_fee=Decimal(0),
    )
    return Market(name, instrument, _FINE)
