"""What tells how an open pair stands: how well its legs cancel out, how far liquidation is.

    neutrality  1 - |a + b| / (|a| + |b|)         base of the legs, signed: 1 is a perfect hedge
    distance    long (mark - liquidation) / mark, short (liquidation - mark) / mark

(requirements 3.5; flaws A-3 and A-4.) None where there is nothing to tell or it is not known.
"""

from decimal import Decimal

from domain.market import Position
from domain.money import EXACT


def neutrality(one: Decimal, other: Decimal) -> Decimal | None:
    """Return how well two signed amounts of base cancel out, 0 to 1; None if nothing is held."""
    gross = EXACT.add(EXACT.abs(one), EXACT.abs(other))
    if gross == 0:
        return None
    net = EXACT.abs(EXACT.add(one, other))
    return EXACT.subtract(Decimal(1), EXACT.divide(net, gross))


def liquidation_distance(position: Position) -> Decimal | None:
    """Return how far the mark may move before the venue closes *position*, a share of the mark.

    Negative if the mark is beyond it. None if nothing is held, or the venue tells no mark or no
    liquidation price: who guards by this must not take that for far away.
    """
    if not position.lots or position.mark is None or position.liquidation is None:
        return None
    room = position.mark.ticks - position.liquidation.ticks
    return EXACT.divide(Decimal(room if position.lots > 0 else -room), Decimal(position.mark.ticks))
