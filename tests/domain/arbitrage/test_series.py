"""Deviation, slope and volatility, with the sums beside them."""

from datetime import timedelta
from decimal import Decimal

import pytest

from domain.arbitrage.series import ROUNDED, deviation, slope, volatility
from domain.errors import InvalidValueError
from domain.market import Candle
from domain.money import NOTHING, Price
from tests.domain.arbitrage.market import T0, D


def points(*pairs: tuple[str, str]) -> list[tuple[Decimal, Decimal]]:
    return [(D(x), D(y)) for x, y in pairs]


def test_the_deviation_is_weighted_and_of_the_whole() -> None:
    # mean (2 + 4 + 4 + 4 + 5 + 5 + 7 + 9) / 8 = 5; (9 + 1 + 1 + 1 + 0 + 0 + 4 + 16) / 8 = 4
    assert deviation(points(*((x, "1") for x in "24445579"))) == 2
    # mean (3 * 1 + 1 * 5) / 4 = 2; (3 * 1 + 1 * 9) / 4 = 3
    assert deviation(points(("1", "3"), ("5", "1"))) == D("3").sqrt(ROUNDED)
    assert deviation(points(("7", "2"))) == 0


@pytest.mark.parametrize(
    "pairs, rise",
    [
        ([("0", "1"), ("1", "3"), ("2", "5")], "2"),
        ([("0", "5"), ("1", "3"), ("2", "1")], "-2"),
        # n = 4, Sx = 6, Sy = 10, Sxy = 0 + 2 + 8 + 9 = 19, Sxx = 14: (76 - 60) / (56 - 36) = 0.8
        ([("0", "1"), ("1", "2"), ("2", "4"), ("3", "3")], "0.8"),
        ([("0", "4"), ("8", "4")], "0"),
    ],
)
def test_the_slope_is_that_of_least_squares(pairs: list[tuple[str, str]], rise: str) -> None:
    assert slope(points(*pairs)) == D(rise)


def day(n: int, close: int, *, closed: bool = True) -> Candle:
    price = Price(close)
    return Candle("X/Y", T0 + timedelta(days=n), price, price, price, price, NOTHING, closed)


def test_volatility_is_the_deviation_of_log_returns() -> None:
    # ln(2), ln(1/2): mean 0, both ln(2) away from it
    found = volatility([day(0, 100), day(1, 200), day(2, 100)])
    assert found is not None
    assert abs(found - D("2").ln(ROUNDED)) < D("1e-28")
    # ln(1.1) twice: no deviation
    assert volatility([day(0, 1000), day(1, 1100), day(2, 1210)]) == 0
    # 100, 110, 99: ln(1.1) = 0.0953102, ln(0.9) = -0.1053605; half of what lies between: 0.1003353
    falls = volatility([day(0, 100), day(1, 110), day(2, 99)])
    assert falls is not None
    assert falls.quantize(D("1e-7")) == D("0.1003353")


def test_too_few_closes_are_no_calm_and_a_forming_day_does_not_count() -> None:
    assert volatility([]) is None
    assert volatility([day(0, 100), day(1, 100)]) is None
    assert volatility([day(0, 100), day(1, 100), day(2, 900, closed=False)]) is None


@pytest.mark.parametrize("days", [(1, 0, 2), (0, 0, 1)])
def test_candles_in_another_order_are_refused(days: tuple[int, ...]) -> None:
    with pytest.raises(InvalidValueError, match="oldest first and each time once"):
        volatility([day(n, 100) for n in days])
