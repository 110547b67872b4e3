"""The quality score, factor by factor, with the sums beside them."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from domain.arbitrage.history import FundingHistory, Settled
from domain.arbitrage.score import Facts, score
from domain.errors import InvalidValueError
from tests.domain.arbitrage.market import DAY, HOUR, T0, D

NOW = T0 + 33 * DAY


def every(hours: int, rates: list[str]) -> FundingHistory:
    """Settled every *hours*, the newest rate at NOW."""
    step, count = hours * HOUR, len(rates)
    return FundingHistory(
        tuple(Settled(NOW - (count - 1 - n) * step, D(rate), step) for n, rate in enumerate(rates))
    )


STEADY = every(8, ["0.0001"] * 99)
FACTS = Facts(STEADY, D("0.02"), D("0.0001"))


def test_the_score_of_a_steady_pair() -> None:
    facts = replace(
        FACTS,
        predicted=D("0.00008"),
        basis=D("0.001"),
        open_interest=D("5000000"),
        volume=D("10000000"),
    )
    found = score(facts, NOW)
    assert found is not None
    # the same mean in every window: (0.5 + 0.3 + 0.2) * 0.0001
    assert found.yielded == D("0.0001")
    # stability 10: 1; 1 / (1 + 100 * 0.02) = 1 / 3; no flips: 1; always positive: 1
    assert found.risk.quantize(D("1e-20")) == D("0.33333333333333333333")
    # 1 + log10(99 + 1) = 3; 1 + 0.5; momentum 0: 1; 1 + 0.1; 0.8: 3 * 1.5 * 1.1 * 0.8
    assert found.maturity == D("3.96")
    # 0.0001 * 1095
    assert found.apr == D("0.1095")
    # 0.0001 / 3 * 3.96
    assert found.value.quantize(D("1e-15")) == D("0.000132")


def test_the_yield_weighs_a_day_a_week_and_a_month() -> None:
    # 30 days: 69 settlements of 0.0001, 18 of 0.0002, 3 of 0.0004
    history = every(8, ["0.0001"] * 69 + ["0.0002"] * 18 + ["0.0004"] * 3)
    found = score(replace(FACTS, history=history), NOW)
    assert found is not None
    # 1 d: 0.0004; 7 d: (18 * 0.0002 + 3 * 0.0004) / 21 = 0.0048 / 21
    # 30 d: (0.0069 + 0.0036 + 0.0012) / 90 = 0.00013
    # 0.5 * 0.0004 + 0.3 * 0.000228571428... + 0.2 * 0.00013 = 0.0002 + 0.0000685714 + 0.000026
    assert found.yielded.quantize(D("1e-12")) == D("0.000294571429")
    assert found.apr.quantize(D("1e-12")) == D("0.250285714286")  # 0.000228571428... * 1095


@pytest.mark.parametrize("hours", [1, 4, 8])
def test_the_score_does_not_depend_on_the_interval(hours: int) -> None:
    parts = 8 // hours
    history = every(hours, [str(D("0.0008") / parts)] * 99 * parts)
    found = score(replace(FACTS, history=history, current=D("0.0008")), NOW)
    assert found is not None
    assert found.value.quantize(D("1e-15")) == D("0.0008")  # 0.0008 * 1/3 * 3


def test_a_yield_of_nothing_is_a_score_of_nothing() -> None:
    found = score(replace(FACTS, history=STEADY.negated()), NOW)
    assert found is not None
    assert found.yielded == D("-0.0001")
    assert found.value == 0


@pytest.mark.parametrize(
    "volatility, flips_every, risk",
    [
        ("0", 0, "1"),
        ("0.01", 0, "0.5"),  # 1 / (1 + 1)
        ("0.04", 0, "0.2"),  # 1 / (1 + 4)
        # 66 times 0.0003 and 33 times -0.0003 in turns: mean 0.0001, squares 9 - 1 = 8 e-8;
        # stability 1 / sqrt(8) = 0.353553, a tenth of it; 66 flips: / 67; 2/3 of the time positive
        ("0", 3, "0.00035179"),  # 0.0353553 / 67 * 2 / 3
    ],
)
def test_risk_is_stability_calm_few_flips_and_the_time_it_paid(
    volatility: str, flips_every: int, risk: str
) -> None:
    rates = ["0.0003", "-0.0003", "0.0003"] * 33 if flips_every else ["0.0001"] * 99
    found = score(replace(FACTS, history=every(8, rates), volatility=D(volatility)), NOW)
    assert found is not None
    assert found.risk.quantize(D("1e-8")) == D(risk)


@pytest.mark.parametrize(
    "changes, factor",
    [
        ({}, "1"),
        ({"open_interest": D("1"), "volume": D("4")}, "1.25"),
        ({"open_interest": D("9"), "volume": D("4")}, "3"),  # 2.25, at most 2
        ({"open_interest": D("9")}, "1"),  # volume not known
        ({"open_interest": D("9"), "volume": D("0")}, "1"),
        ({"basis": D("0.001")}, "1.1"),
        ({"basis": D("0.5")}, "1.2"),
        ({"basis": D("-0.001")}, "0.9"),
        ({"basis": D("-0.5")}, "0.8"),
        ({"predicted": D("0.00015")}, "1.5"),
        ({"predicted": D("0.01")}, "2"),
        ({"predicted": D("-0.01")}, "0.5"),
        ({"predicted": D("0.01"), "current": D("0")}, "1"),
        ({"predicted": D("0.01"), "current": D("-0.0001")}, "1"),
    ],
)
def test_maturity_beside_its_age(changes: dict[str, Any], factor: str) -> None:
    found = score(replace(FACTS, **changes), NOW)
    assert found is not None
    assert found.maturity == 3 * D(factor)


@pytest.mark.parametrize(
    "step, factor",
    [
        # the newest ten grow by the step every 8 hours
        ("0.0001", "1.1"),  # 1 + 1000 * 0.0001
        ("0.01", "1.5"),
        ("-0.0001", "0.9"),
        ("-0.001", "0.5"),
    ],
)
def test_momentum_counts_within_bounds(step: str, factor: str) -> None:
    newest = [D("0.02") + n * D(step) for n in range(1, 11)]
    history = every(8, ["0.02"] * 89 + [str(rate) for rate in newest])
    found = score(replace(FACTS, history=history, current=D("0.02")), NOW)
    assert found is not None
    assert found.maturity == 3 * D(factor)


@pytest.mark.parametrize(
    "facts",
    [
        replace(FACTS, history=every(8, ["0.0001"] * 60)),  # 20 of 30 days
        replace(FACTS, history=FundingHistory(())),
        replace(FACTS, volatility=None),
    ],
)
def test_what_is_not_known_has_no_score(facts: Facts) -> None:
    assert score(facts, NOW) is None


@pytest.mark.parametrize("name", ["volatility", "open_interest", "volume"])
def test_negative_facts_are_refused(name: str) -> None:
    changes: dict[str, Any] = {name: Decimal(-1)}
    with pytest.raises(InvalidValueError, match=f"{name} of a pair is not negative, was -1"):
        replace(FACTS, **changes)
