"""The command `opensqt exchange`."""

import asyncio
import json
import os
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from activities.venues.ccxt.registry import VENUES
from domain.errors import TradingError
from domain.money import MarketKind
from workers.exchange.server import Running, serve
from workers.exchange.settings import STARTING_BALANCES, ExchangeSettings


def _number(_ctx: click.Context, _param: click.Parameter, value: str) -> Decimal:
    try:
        number = Decimal(value)
    except InvalidOperation:
        raise click.BadParameter(f"a number was expected, was {value!r}") from None
    if not number.is_finite():
        raise click.BadParameter(f"a finite number was expected, was {value!r}")
    return number


def _number_if_given(
    ctx: click.Context, param: click.Parameter, value: str | None
) -> Decimal | None:
    return None if value is None else _number(ctx, param, value)


@click.command()
@click.option(
    "--listen",
    default="127.0.0.1:50051",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 takes a free one.",
)
@click.option(
    "--insecure-listen",
    is_flag=True,
    help="Allow an address that others can reach; there is no password.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=Path(".opensqt/exchange"),
    show_default=True,
    help="Directory of the books.",
)
@click.option(
    "--tape",
    type=click.Path(path_type=Path),
    help="Recorded trades, quotes or candles (csv.gz) instead of a made market.",
)
@click.option(
    "--feed",
    type=click.Choice(sorted(VENUES)),
    help="Follow this venue's real market, live and without keys, instead of a made one.",
)
@click.option(
    "--symbols",
    default="",
    metavar="SYMBOL,SYMBOL",
    help="Several markets at once, made or followed, such as BTC/USDT,BTC/USDT:USDT.",
)
@click.option(
    "--feed-local",
    metavar="HOST:PORT",
    help="With --feed: a local exchange's fronts in place of the real venue.",
)
@click.option(
    "--feed-authority",
    type=click.Path(path_type=Path),
    help="With --feed-local: the certificate authority of that exchange.",
)
@click.option("--symbol", help="What is traded; a tape's file name tells it too.")
@click.option(
    "--market",
    type=click.Choice([kind.value for kind in MarketKind]),
    help="Spot or perpetual; a tape's file name tells it too.  [default: spot]",
)
@click.option("--loop", is_flag=True, help="Start the tape over at its end.")
@click.option("--seed", type=int, default=1, show_default=True, help="What the market is made of.")
@click.option(
    "--crowd",
    type=click.IntRange(0, 200),
    default=0,
    show_default=True,
    help="Levels of others' orders on each side of the book, with funding; 0: none.",
)
@click.option(
    "--funding",
    callback=_number_if_given,
    metavar="RATE",
    help="With --crowd: what each settlement pays, such as 0.0003.  [default: made rates]",
)
@click.option("--start-price", callback=_number, default="60000", show_default=True)
@click.option(
    "--volatility",
    callback=_number,
    default="0.04",
    show_default=True,
    help="Standard deviation of a day's return of a made market.",
)
@click.option(
    "--start-at",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z"]),
    help="When a made market begins.  [default: its first start]",
)
@click.option(
    "--speed",
    callback=_number,
    default="1",
    show_default=True,
    help="Market seconds per second; 0: only Advance moves the market.",
)
@click.option(
    "--balance",
    "balances",
    multiple=True,
    metavar="ASSET=AMOUNT",
    help="What each new account has; may be repeated.",
)
@click.option("--faults", type=click.Path(path_type=Path), help="A YAML file of fault rules.")
@click.option(
    "--fronts",
    default="",
    metavar="NAME,NAME",
    help="Venues whose REST and WebSocket protocols to speak as well, such as binance.",
)
@click.option(
    "--fronts-listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="HOST:PORT",
    help="Where the fronts listen (TLS); port 0 takes a free one.",
)
@click.option(
    "--control",
    metavar="HOST:PORT",
    help="Where the control API answers (HTTP, JSON); port 0 takes a free one.  [default: none]",
)
def exchange(  # noqa: PLR0913 - an option each
    *,
    listen: str,
    insecure_listen: bool,
    data: Path,
    tape: Path | None,
    feed: str | None,
    symbols: str,
    feed_local: str | None,
    feed_authority: Path | None,
    symbol: str | None,
    market: str | None,
    loop: bool,
    seed: int,
    crowd: int,
    funding: Decimal | None,
    start_price: Decimal,
    volatility: Decimal,
    start_at: datetime | None,
    speed: Decimal,
    balances: tuple[str, ...],
    faults: Path | None,
    fronts: str,
    fronts_listen: str,
    control: str | None,
) -> None:
    """Run the paper exchange: a simulated venue behind gRPC, on recorded, made or live market data.

    It keeps its books in a directory, so it can be killed at any moment and started again. When it
    answers it prints one line of JSON with its address.
    """
    try:
        settings = ExchangeSettings(
            data=data,
            listen=listen,
            insecure_listen=insecure_listen,
            tape=tape,
            symbol=symbol,
            market=MarketKind(market) if market else None,
            loop=loop,
            seed=seed,
            crowd=crowd,
            funding=funding,
            start_price=start_price,
            volatility=volatility,
            start_at=start_at,
            speed=speed,
            balances=dict(map(_balance, balances)) or STARTING_BALANCES,
            faults=faults,
            fronts=_names(fronts),
            fronts_listen=fronts_listen,
            control=control,
            feed=feed,
            symbols=_names(symbols),
            feed_local=feed_local,
            feed_authority=feed_authority,
        )
        if insecure_listen:
            click.echo(f"warning: whoever reaches {listen} can trade here", err=True)
        asyncio.run(serve(settings, _print))
    except TradingError as error:
        raise click.ClickException(str(error)) from error


def _names(text: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in text.split(",") if each.strip())


def _print(running: Running) -> None:
    told: dict[str, Any] = {
        "listening": running.address,
        "symbols": list(running.symbols),
        "market_time": running.host.exchange.now.isoformat(),
        "pid": os.getpid(),
    }
    if running.fronts is not None:
        told["fronts"] = {
            "listening": f"{running.fronts.host}:{running.fronts.port}",
            "authority": str(running.fronts.authority),
            "venues": [dialect.name for dialect in running.fronts.dialects],
        }
    if running.control is not None:
        told["control"] = running.control
    click.echo(json.dumps(told))


def _balance(text: str) -> tuple[str, Decimal]:
    asset, _, amount = text.partition("=")
    try:
        number = Decimal(amount)
    except InvalidOperation:
        number = Decimal(-1)
    if not asset or not number.is_finite() or number < 0:
        raise click.BadParameter(f"ASSET=AMOUNT was expected, such as USDT=10000, was {text!r}")
    return asset, number
