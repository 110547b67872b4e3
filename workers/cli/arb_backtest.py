"""`opensqt arb backtest`: what a pair would have earned on recorded prices and funding rates."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.text import Text

from domain.arbitrage.engine import begin
from domain.arbitrage.pair import Kind
from domain.arbitrage.spec import ArbSpec
from domain.arbitrage.state import bind, require_lender
from domain.money import EXACT, ZERO, Instrument, MarketKind, Quantity, add
from domain.simulation.exchange import SimulatedExchange
from domain.simulation.rules import ExchangeRules
from workers.cli.failures import BadInputError
from workers.cli.options import with_settings
from workers.cli.output import console, money, put_json
from workers.cli.specs import read_pair
from workers.cli.tables import plain_table
from workers.pair_backtest import PairPlayed, Traded, play_pair
from workers.pair_picture import picture
from workers.pair_tape import LegTape, pair_tape, read_prices, read_settlements
from workers.settings import Settings


@dataclass(frozen=True, slots=True)
class TradeLine:
    """One trade of the pair: signed base of each leg, and the quote that both together brought."""

    kind: Kind
    begun_at: datetime
    why: str
    first: Decimal
    second: Decimal
    quote: Decimal
    orders: int


@dataclass(frozen=True, slots=True)
class BacktestAnswer:
    """The answer of `opensqt arb backtest`; money in quote."""

    begin: datetime
    end: datetime
    result: Decimal
    funding: Decimal
    fees: Decimal
    #: What the prices of the legs did to each other, with slippage and fees that spot took in base.
    basis: Decimal
    drawdown: Decimal
    residual: Decimal
    trades: tuple[TradeLine, ...]


@click.command(
    epilog="Example: opensqt arb backtest pair.yaml --first spot.csv.gz --second perp.csv.gz "
    "--rates rates.csv.gz --second-venue binance"
)
@click.argument("spec", metavar="SPEC.yaml")
@click.option("--first", "first_file", required=True, metavar="FILE", help="Prices of leg one.")
@click.option("--second", "second_file", required=True, metavar="FILE", help="Prices of leg two.")
@click.option("--rates", required=True, metavar="FILE", help="Funding rates that were settled.")
@click.option("--first-venue", metavar="NAME", help="Whose rates leg one has [default: spot].")
@click.option("--second-venue", required=True, metavar="NAME", help="Whose rates leg two has.")
@click.option("--funds", default="2", show_default=True, help="Money of a leg, in its amounts.")
@click.option("--picture", "drawn", type=click.Path(path_type=Path), help="Write an SVG there.")
@with_settings
async def backtest(  # noqa: PLR0913 - an option each
    spec: str,
    *,
    first_file: str,
    second_file: str,
    rates: str,
    first_venue: str | None,
    second_venue: str,
    funds: str,
    drawn: Path | None,
    settings: Settings,  # noqa: ARG001 - nothing of it is needed, everything here is in files
    as_json: bool,
) -> None:
    """Play the pair of SPEC over recorded prices and rates.

    Files are gzipped CSVs: prices with open_time_ms and open, rates with funding_time_ms, exchange
    and funding_rate. Fees are those of an account without discounts.
    """
    pair = read_pair(spec)
    first = _leg(pair.first.symbol, first_file, rates, first_venue)
    second = _leg(pair.second.symbol, second_file, rates, second_venue)
    found = _play(pair, first, second, EXACT.multiply(pair.amount, _number("--funds", funds)))
    if drawn is not None:
        _draw(drawn, f"{pair.first.symbol} and {pair.second.symbol}", found)
    answer = _answer(found)
    if as_json:
        put_json(answer)
    else:
        console().print(_table(answer))


def _number(option: str, told: str) -> Decimal:
    if not told.replace(".", "", 1).isdecimal() or not Decimal(told):
        raise BadInputError(f"{option} must be a positive number, was {told}")
    return Decimal(told)


def _leg(symbol: str, prices: str, rates: str, venue: str | None) -> LegTape:
    settled = read_settlements(Path(rates), venue) if venue else []
    return LegTape(_instrument(symbol, perpetual=bool(venue)), read_prices(Path(prices)), settled)


def _instrument(symbol: str, *, perpetual: bool) -> Instrument:
    """Return what a recorded symbol is taken to trade like; the files do not tell."""
    name, _, settle = symbol.partition(":")
    base, slash, quote = name.partition("/")
    if not slash or bool(settle) != perpetual:
        kind = "a perpetual, as BTC/USDT:USDT" if perpetual else "spot, as BTC/USDT"
        raise BadInputError(f"{symbol} must be {kind}: give a venue's rates to perpetuals only")
    fees = ("0.0002", "0.0005") if perpetual else ("0.001", "0.001")
    return Instrument(
        symbol,
        MarketKind.PERPETUAL if perpetual else MarketKind.SPOT,
        base,
        quote,
        Decimal("0.01"),
        Decimal("0.001") if perpetual else Decimal("0.00001"),
        Quantity(1),
        Decimal(5),
        Decimal(fees[0]),
        Decimal(fees[1]),
    )


def _play(pair: ArbSpec, first: LegTape, second: LegTape, funds: Decimal) -> PairPlayed:
    config = bind(pair, first.instrument, second.instrument)
    require_lender(pair, first.instrument)
    exchanges = {
        number: SimulatedExchange(
            ExchangeRules((tape.instrument,), {leg.account: {tape.instrument.quote: funds}}),
            tape.prices[0][0],
        )
        for number, tape, leg in ((1, first, pair.first), (2, second, pair.second))
    }
    state = begin(config, "backtest", first.prices[0][0])
    return play_pair(exchanges, state, pair_tape(first, second))


def _draw(path: Path, title: str, found: PairPlayed) -> None:
    try:
        path.write_text(picture(title, found))
    except OSError as error:
        raise BadInputError(
            f"--picture: {path} cannot be written ({error.strerror}); name another file"
        ) from error


def _answer(found: PairPlayed) -> BacktestAnswer:
    first, last = found.equity[0], found.equity[-1]
    return BacktestAnswer(
        begin=first.at,
        end=last.at,
        result=EXACT.subtract(last.equity, first.equity),
        funding=add(*found.funding.values()),
        fees=add(*found.fees.values()),
        basis=add(found.cash, found.worth),
        drawdown=found.drawdown,
        residual=found.residual,
        trades=tuple(_line(trade) for trade in found.trades),
    )


def _line(trade: Traded) -> TradeLine:
    one, other = trade.moved
    brought = add(one.quote, other.quote)
    return TradeLine(
        trade.kind, trade.begun_at, trade.why, one.base, other.base, brought, trade.orders
    )


def _table(answer: BacktestAnswer) -> RenderableType:
    right = ("first", "second", "result", "funding", "basis", "fees", "drawdown")
    trades = plain_table("trade", "when (UTC)", "first", "second", "why", right=right)
    for line in answer.trades:
        bases = (f"{base.normalize():f}" for base in (line.first, line.second))
        trades.add_row(line.kind, f"{line.begun_at:%Y-%m-%d %H:%M}", *bases, line.why)
    sums = plain_table("result", "funding", "basis", "fees", "drawdown", right=right)
    sums.add_row(
        money(answer.result, sign=True),
        money(answer.funding, sign=True),
        money(answer.basis, sign=True),
        money(EXACT.subtract(ZERO, answer.fees), sign=True),
        money(answer.drawdown),
    )
    return Group(trades if answer.trades else Text("the pair was never entered"), Text(""), sums)
