"""The market that settings ask for: of one symbol or several, alone or with others in it."""

from collections.abc import Sequence

from domain.errors import InvalidValueError
from domain.money import Instrument, MarketKind
from domain.simulation.crowd import CrowdSpec
from domain.simulation.tape import Quoted
from workers.exchange.crowd import Crowded, Settlements, Several
from workers.exchange.instruments import instrument_of
from workers.exchange.settings import ExchangeSettings
from workers.exchange.sources import Made, Recorded, Source


def open_source(settings: ExchangeSettings) -> Source:
    """Return the market that *settings* ask for, or raise InvalidValueError."""
    if settings.tape is not None:
        return _recorded(settings)
    instruments = _named(settings.symbols) or Made(settings).instruments
    seeds = _seeds(settings.seed, instruments)
    made = [Made(settings, each, seed) for each, seed in zip(instruments, seeds, strict=True)]
    if not settings.crowd:
        return made[0] if len(made) == 1 else Several(made)
    crowded: list[Source] = [
        Crowded(source, CrowdSpec(seed, settings.crowd))
        for source, seed in zip(made, seeds, strict=True)
    ]
    perpetuals = [each for each in instruments if each.kind is MarketKind.PERPETUAL]
    funding = [Settlements(each, settings.seed, settings.funding) for each in perpetuals]
    return Several([*crowded, *funding])


def _recorded(settings: ExchangeSettings) -> Source:
    tape = Recorded(settings)
    if not settings.crowd:
        return tape
    if isinstance(tape.first, Quoted):
        raise InvalidValueError(
            f"{settings.tape} tells itself what others bid and ask, --crowd was "
            f"{settings.crowd}: leave --crowd out, or take a tape of trades or candles"
        )
    return Crowded(tape, CrowdSpec(settings.seed, settings.crowd))


def _named(symbols: Sequence[str]) -> Sequence[Instrument]:
    return [
        instrument_of(symbol, MarketKind.PERPETUAL if ":" in symbol else MarketKind.SPOT)
        for symbol in symbols
    ]


def _seeds(seed: int, instruments: Sequence[Instrument]) -> Sequence[int]:
    """Return a seed for each: the same for all markets of a coin, for their prices go together."""
    coins = list(dict.fromkeys(each.base for each in instruments))
    return [seed + coins.index(each.base) for each in instruments]
