"""What venues say of an account's health: what is not told is unknown, and never healthy."""

from decimal import Decimal
from typing import Any, cast

import pytest

from activities.venues.ccxt.registry import quirks_of
from activities.venues.ccxt.rest import Call, Rest
from domain.errors import VenueError
from domain.money import MarketKind

ACCOUNT, HELD = "account", "positions"
#: What is asked for the account, and for all that it holds.
METHODS = {
    "fapiPrivateV3GetAccount": ACCOUNT,
    "privateGetV5AccountWalletBalance": ACCOUNT,
    "privateMixGetV2MixAccountAccounts": ACCOUNT,
    "privateGetAccountBalance": ACCOUNT,
    "privateGetAccountPositions": HELD,
    "privateFuturesGetSettleAccounts": ACCOUNT,
    "privateFuturesGetSettlePositions": HELD,
}


class Answers:
    """A venue that has only these two answers."""

    def __init__(self, account: Any, held: Any) -> None:
        self._told = {ACCOUNT: account, HELD: held}

    async def ask(self, call: Call) -> Any:
        return self._told[METHODS[call.method]]


async def health(name: str, account: Any, held: Any = None) -> Decimal | None:
    quirks = quirks_of(name, MarketKind.PERPETUAL)
    quirks.rest = cast("Rest", Answers(account, held))
    return await quirks.health()


def binance(maintenance: Any, equity: Any) -> Any:
    return {"totalMaintMargin": maintenance, "totalMarginBalance": equity, "assets": []}


def bybit(share: Any) -> Any:
    return {"result": {"list": [{"accountType": "UNIFIED", "accountMMRate": share}]}}


def bitget(*shares: Any) -> Any:
    return {"data": [{"marginCoin": "USDT", "crossedRiskRate": share} for share in shares]}


def okx(account: str, *currencies: str) -> Any:
    details = [{"ccy": "USDT", "mgnRatio": each} for each in currencies]
    return {"data": [{"mgnRatio": account, "details": details}]}


def gate(maintenance: Any, **more: Any) -> Any:
    told = {"total": "110", "unrealised_pnl": "-10", "margin_mode": 0, "enable_credit": False}
    return {**told, "maintenance_margin": maintenance, **more}


@pytest.mark.parametrize(
    "account,told",
    [
        (binance("30", "100"), "0.7"),
        (binance("0.00000000", "100"), "1"),
        (binance("30", "-1"), "0"),
        (binance(None, "100"), None),
        (binance("30", ""), None),
        ({"assets": []}, None),
    ],
)
async def test_binance(account: Any, told: str | None) -> None:
    assert await health("binance", account) == (told and Decimal(told))


@pytest.mark.parametrize(
    "account,told",
    [
        (bybit("0.3"), "0.7"),
        (bybit("0"), "1"),
        (bybit("1.2"), "0"),
        (bybit(""), None),  # isolated margin
        ({"result": {"list": [{"accountType": "UNIFIED"}]}}, None),
        ({"result": {"list": []}}, None),
    ],
)
async def test_bybit(account: Any, told: str | None) -> None:
    assert await health("bybit", account) == (told and Decimal(told))


@pytest.mark.parametrize(
    "account,told",
    [
        (bitget("0.3"), "0.7"),
        (bitget("0"), "1"),
        (bitget("0", "0.4"), "0.6"),
        (bitget("0", ""), None),
        (bitget(), None),
        ({"data": None}, None),
    ],
)
async def test_bitget(account: Any, told: str | None) -> None:
    assert await health("bitget", account) == (told and Decimal(told))


@pytest.mark.parametrize(
    "account,held,told",
    [
        (okx("4"), [], "0.75"),  # of the account
        (okx("", "", "2"), [], "0.5"),  # futures mode: of each currency
        (okx("", "4", "2"), [], "0.5"),
        (okx("0.5"), [], "0"),
        (okx("", ""), [], "1"),  # nothing is at risk
        (okx("", ""), [{"pos": "3"}], None),
        (okx("", "0"), [{"pos": "-3"}], None),
    ],
)
async def test_okx(account: Any, held: Any, told: str | None) -> None:
    assert await health("okx", account, {"data": held}) == (told and Decimal(told))


@pytest.mark.parametrize(
    "account,held,told",
    [
        (gate("30"), [], "0.7"),
        (gate("0"), [], "1"),
        (gate("0"), [{"size": "5"}], None),  # the older margin mode
        (gate(None), [{"size": "-5"}], None),
        (gate("30", total="5"), [], "0"),
        (gate("30", total=""), [], None),
        (gate("30", unrealised_pnl=None), [], None),
        (gate("30", enable_credit=True), [], None),  # a unified account: the wallet is elsewhere
        (gate("30", margin_mode=1), [], None),
    ],
)
async def test_gate(account: Any, held: Any, told: str | None) -> None:
    assert await health("gate", account, held) == (told and Decimal(told))


async def test_what_is_no_number_is_an_error() -> None:
    with pytest.raises(VenueError, match="accountMMRate must be a number, was 'much'"):
        await health("bybit", bybit("much"))
