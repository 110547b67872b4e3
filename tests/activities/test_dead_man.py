"""When the switch is armed, renewed and disarmed; and who may not ask for one."""

from datetime import timedelta
from typing import Any

import pytest

from activities.dead_man import Switch
from domain.conditions import Reach
from domain.errors import VenueUnavailableError
from domain.grid.watch import Watch

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"


class Switched:
    """A venue that remembers what its switch was told."""

    name = "here"

    def __init__(self, reach: Reach | None) -> None:
        self.dead_man = reach
        self.told: list[tuple[str, int]] = []
        self.down = False

    async def arm(self, symbol: str, within: timedelta) -> None:
        if self.down:
            raise VenueUnavailableError("the venue is down")
        self.told.append((symbol, within // timedelta(seconds=1)))

    async def disarm(self, symbol: str) -> None:
        self.told.append((symbol, 0))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def switch(venue: Any) -> tuple[Switch, Clock]:
    clock = Clock()
    return Switch(venue, clock), clock


async def test_it_is_renewed_four_times_before_it_fires() -> None:
    venue = Switched(Reach.SYMBOL)
    kept, clock = switch(venue)
    for _ in range(41):
        await kept.keep([Watch(BTC, dead_man=20)])
        clock.now += 1
    assert venue.told == [(BTC, 20)] * 9  # at once, and every five seconds


async def test_of_a_symbol_the_shortest_time_counts_and_who_asks_for_none_has_none() -> None:
    venue = Switched(Reach.SYMBOL)
    kept, _ = switch(venue)
    await kept.keep([Watch(BTC, dead_man=60), Watch(BTC, dead_man=30), Watch(ETH)])
    assert venue.told == [(BTC, 30)]
    await kept.keep([Watch(BTC, dead_man=60), Watch(ETH)])
    assert venue.told[1:] == [(BTC, 60)]
    await kept.keep([Watch(ETH)])
    await kept.keep([Watch(ETH)])
    assert venue.told[2:] == [(BTC, 0)]


async def test_of_an_account_there_is_one_for_all() -> None:
    venue = Switched(Reach.ACCOUNT)
    kept, _ = switch(venue)
    await kept.keep([Watch(ETH, dead_man=60), Watch(BTC, dead_man=90)])
    assert venue.told == [(BTC, 60)]
    await kept.keep([Watch(ETH, dead_man=60)])  # the account's switch goes on
    assert venue.told[1:] == [(ETH, 60)]
    await kept.keep([])
    assert venue.told[2:] == [(ETH, 0)]


async def test_on_a_new_connection_it_is_armed_anew() -> None:
    venue = Switched(Reach.SYMBOL)
    kept, _ = switch(venue)
    await kept.keep([Watch(BTC, dead_man=20)])
    kept.forget()
    await kept.keep([Watch(BTC, dead_man=20)])
    assert venue.told == [(BTC, 20)] * 2


async def test_what_did_not_work_is_tried_again_at_once() -> None:
    venue = Switched(Reach.SYMBOL)
    kept, _ = switch(venue)
    venue.down = True
    with pytest.raises(VenueUnavailableError):
        await kept.keep([Watch(BTC, dead_man=20)])
    venue.down = False
    await kept.keep([Watch(BTC, dead_man=20)])
    assert venue.told == [(BTC, 20)]


@pytest.mark.parametrize("venue", [object(), Switched(None)])
async def test_without_a_switch_there_is_nothing_to_arm(venue: Any) -> None:
    kept, _ = switch(venue)
    await kept.keep([Watch(BTC, dead_man=20)])
    assert getattr(venue, "told", []) == []
