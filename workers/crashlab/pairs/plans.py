"""What is done to pairs, from the seed: which legs, which runner, which cells."""

import random
from collections.abc import Iterator, Sequence
from itertools import count, cycle

from domain.money import MarketKind
from workers.crashlab.pairs.roles import Leg, Legs
from workers.crashlab.steps import EXCHANGES, ROLLS, Cell, Runner, Step, Victim, cells

Rounds = list[tuple[Cell, int]]


def pair_rounds(
    chance: random.Random,
    steps: Sequence[Step],
    victims: Sequence[Victim],
    kills: int,
    round_of: int,
) -> dict[Runner, Rounds]:
    """Return all rounds by their runner, in a random order, every cell equally often."""
    every = cells(steps, victims)
    rounds: dict[Runner, Rounds] = {}
    left = kills
    while left > 0:
        for cell in chance.sample(every, len(every)):
            some = min(round_of, left)
            if some:
                rounds.setdefault(_runner(cell, victims, chance), []).append((cell, some))
            left -= some
    return rounds


def _runner(cell: Cell, victims: Sequence[Victim], chance: random.Random) -> Runner:
    """Return who works the pair: an exchange dies under either, if both are asked for.

    More often under the simple one: there a trade takes half the time.
    """
    step, victim = cell
    if victim not in EXCHANGES:
        return victim.runner
    runners = sorted({each.runner for each in victims if each not in EXCHANGES})
    if step in ROLLS or not runners:
        return Runner.DURABLE
    return chance.choice([runners[-1], *runners])


def legs_in_turn(venues: Sequence[str]) -> Iterator[Legs]:
    """Yield legs for ever: each venue with each other one, spot or a perpetual first in turn."""
    kinds = cycle((MarketKind.SPOT, MarketKind.SPOT, MarketKind.PERPETUAL))
    size = len(venues)
    for number in count():
        apart, first = 1 + number // size % max(size - 1, 1), number % size
        second = (first + apart) % size
        yield (
            Leg(1, venues[first], next(kinds)),
            Leg(2, venues[second], MarketKind.PERPETUAL),
        )
