from decimal import Decimal
from typing import Any

import pytest

from domain.errors import InvalidValueError
from domain.market import Position
from domain.money import Price
from domain.risk.emergency import (
    Danger,
    EmergencySpec,
    Urgency,
    assess,
    distance,
    health_of_margin,
    health_of_ratio,
    health_of_share,
)
from domain.written import read
from tests.domain.grid.harness import D

SPEC = EmergencySpec(drawdown_percent=D(20))


def position(lots: int, mark: int | None, liquidation: int | None) -> Position:
    at, end = (Price(ticks) if ticks else None for ticks in (mark, liquidation))
    return Position("BTC/USDT:USDT", lots, 0, mark=at, liquidation=end)


@pytest.mark.parametrize(
    "lots,mark,liquidation,away",
    [
        (5, 1000, 800, "0.2"),
        (-5, 1000, 1200, "0.2"),
        (5, 1000, 1100, "-0.1"),  # beyond it
        (-5, 1000, 900, "-0.1"),
        (0, 1000, 990, None),
        (5, None, 990, None),
        (5, 1000, None, None),
    ],
)
def test_the_distance_to_liquidation_is_signed_by_the_side(
    lots: int, mark: int | None, liquidation: int | None, away: str | None
) -> None:
    assert distance(position(lots, mark, liquidation)) == (Decimal(away) if away else None)


@pytest.mark.parametrize(
    "danger,urgency,said",
    [
        (Danger(), Urgency.NONE, "nothing asks to leave"),
        (Danger((position(5, 1000, 900),)), Urgency.NONE, ""),
        (Danger((position(5, 1000, 901),)), Urgency.EXIT, "0.0990 of its price away"),
        (Danger((position(-5, 1000, 1099),)), Urgency.EXIT, "0.0990"),
        (Danger((position(5, 1000, 500), position(-5, 1000, 1001))), Urgency.EXIT, "0.0010"),
        (Danger(health=D("0.7")), Urgency.NONE, ""),
        (Danger(health=D("0.69")), Urgency.REDUCE, "health is 0.6900, below 0.7"),
        (Danger(health=D("0.5")), Urgency.REDUCE, ""),
        (Danger(health=D("0.49")), Urgency.EXIT, "health is 0.4900, below 0.5"),
        (Danger(health=D(0)), Urgency.EXIT, ""),
        (Danger(drawdown_percent=D("19.9")), Urgency.NONE, ""),
        (Danger(drawdown_percent=D(20)), Urgency.EXIT, "fell by 20.0000 %"),
        (Danger(asked_by="ann", asked_why="news"), Urgency.EXIT, "ann asked for it: news"),
        (Danger(drawdown_percent=D(20), health=D("0.6")), Urgency.EXIT, "equity"),
    ],
)
def test_what_asks_to_leave(danger: Danger, urgency: Urgency, said: str) -> None:
    alarm = assess(SPEC, danger)
    assert alarm.urgency is urgency
    assert said in alarm.why
    assert bool(alarm.numbers) == (urgency is not Urgency.NONE and not danger.asked_by)


def test_a_drawdown_is_left_to_the_breaker_unless_told_otherwise() -> None:
    assert assess(EmergencySpec(), Danger(drawdown_percent=D(99))).urgency is Urgency.NONE


@pytest.mark.parametrize(
    "ratio,health", [("4", "0.75"), ("2", "0.5"), ("1", "0"), ("0.5", "0"), ("0", "0"), ("-1", "0")]
)
def test_health_of_a_ratio(ratio: str, health: str) -> None:
    assert health_of_ratio(D(ratio)) == D(health)


@pytest.mark.parametrize("share,health", [("0", "1"), ("0.3", "0.7"), ("1.5", "0"), ("-0.1", "0")])
def test_health_of_a_share(share: str, health: str) -> None:
    assert health_of_share(D(share)) == D(health)


@pytest.mark.parametrize(
    "maintenance,equity,health",
    [
        ("0", "100", "1"),
        ("0", "0", "1"),
        ("30", "100", "0.7"),
        ("150", "100", "0"),
        ("30", "0", "0"),
        ("30", "-100", "0"),
    ],
)
def test_health_of_maintenance_margin_and_equity(
    maintenance: str, equity: str, health: str
) -> None:
    assert health_of_margin(D(maintenance), D(equity)) == D(health)


@pytest.mark.parametrize(
    "fields,said",
    [
        ({"health_reduce": "0.4"}, r"health_reduce lies above health_exit \(0.5\), was 0.4"),
        ({"liquidation_distance": 0}, "liquidation_distance"),
        ({"steps": 0}, "steps"),
    ],
)
def test_a_spec_that_cannot_work_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidValueError, match=said):
        read(EmergencySpec, fields, "emergency")
