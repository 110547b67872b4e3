"""What a fill costs in orders: on a walking market little more than the one that replaces it."""

from collections.abc import Iterator

import pytest

from domain.grid.events import Cancel, Place
from tests.domain.grid.harness import Runner, configured


def walk(seed: int, steps: int, price: int, step: int) -> Iterator[int]:
    """Yield a random walk made by a generator of our own: the same everywhere, for ever."""
    state = seed
    for _ in range(steps):
        total = 0
        for _ in range(4):  # the sum of four is nearly normal
            state = (state * 6_364_136_223_846_793_005 + 1_442_695_040_888_963_407) % 2**64
            total += (state >> 33) % (2 * step + 1) - step
        price = max(price + total, 1_000)
        yield price


@pytest.mark.parametrize("direction", ["long", "neutral"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_fill_costs_at_most_two_and_a_half_actions(direction: str, seed: int) -> None:
    # 600.0 apart at 600 000: 0.1 %; a tick moves 0.03 % or so
    config = configured(
        interval="60", buy_window=20, sell_window=20, direction=direction, amount="1000"
    )
    run = Runner(config, 600_000)
    before = len(run.actions)
    for price in walk(seed, 5_000, 600_000, 150):
        run.moves(price)
    sent = [action for action in run.actions[before:] if isinstance(action, Place | Cancel)]
    fills = run.state.totals.fills
    assert fills > 100
    assert len(sent) / fills <= 2.5
    run.books_agree()
