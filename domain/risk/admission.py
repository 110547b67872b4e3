"""Who is admitted beside whom: no sum of reservations ever passes a limit.

A reservation is taken before the run sends anything, and all of them are one value: whoever writes
it in one transaction admits exactly one of two runs that want the last of what there is. A run that
asks anew for no more than it has is never refused, so that it can always get smaller.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from domain.money import EXACT, ZERO, add
from domain.risk.limits import Limits, LimitsSpec, Reservation
from domain.risk.scope import OVERALL, Scope, ScopeKind

#: What is taken, by run id.
Reservations = Mapping[str, Reservation]


def admit(limits: LimitsSpec, reserved: Reservations, asked: Reservation) -> str | None:
    """Return why *asked* is refused, or None if there is room for it beside all of *reserved*.

    What the run itself had reserved is replaced.
    """
    had = reserved.get(asked.run_id)
    if had is not None and asked.within(had):
        return None
    others = [one for run_id, one in sorted(reserved.items()) if run_id != asked.run_id]
    mates = [one for one in others if one.account == asked.account]
    scopes: tuple[tuple[Scope, Sequence[Reservation]], ...] = (
        (OVERALL, others),
        (Scope(ScopeKind.ACCOUNT, asked.account), mates),
        (Scope(ScopeKind.RUN, asked.run_id), ()),
    )
    for scope, beside in scopes:
        for rule in _rules(limits.of(scope), beside, asked):
            refusal = _refusal(scope, rule, asked)
            if refusal is not None:
                return refusal
    return None


def take(
    limits: LimitsSpec, reserved: Reservations, asked: Reservation
) -> tuple[Reservations, str | None]:
    """Return *reserved* with *asked* in it; or as it was, and why not."""
    refusal = admit(limits, reserved, asked)
    return (reserved, refusal) if refusal else ({**reserved, asked.run_id: asked}, None)


def release(reserved: Reservations, run_id: str) -> Reservations:
    """Return *reserved* without what *run_id* had."""
    return {key: one for key, one in reserved.items() if key != run_id}


@dataclass(frozen=True, slots=True)
class _Rule:
    """One limit, and what it is reckoned over."""

    name: str
    limit: Decimal
    unit: str
    amount: Callable[[Reservation], Decimal]
    beside: Sequence[Reservation] = ()
    #: Quote assets whose worth is known; None: it is no money.
    quotes: frozenset[str] | None = None


def _rules(limits: Limits, beside: Sequence[Reservation], asked: Reservation) -> list[_Rule]:
    def money(
        name: str,
        limit: Decimal | None,
        amount: Callable[[Reservation], Decimal],
        others: Sequence[Reservation] = (),
    ) -> list[_Rule]:
        def worth(one: Reservation) -> Decimal:
            return EXACT.multiply(amount(one), limits.rates.get(one.quote, Decimal(1)))

        quotes = frozenset({limits.quote, *limits.rates})
        return [] if limit is None else [_Rule(name, limit, limits.quote, worth, others, quotes)]

    same = [one for one in beside if one.symbol == asked.symbol]
    rules = money("order", limits.order, lambda one: one.largest_order)
    rules += money("position", limits.position, lambda one: one.position, same)
    rules += money("exposure", limits.exposure, lambda one: one.exposure, beside)
    if limits.leverage is not None:
        rules.append(_Rule("leverage", limits.leverage, "times", lambda one: one.leverage))
    if limits.open_orders is not None:
        most = Decimal(limits.open_orders)
        rules.append(_Rule("open_orders", most, "orders", lambda one: Decimal(one.orders), beside))
    return rules


def _refusal(scope: Scope, rule: _Rule, asked: Reservation) -> str | None:
    if rule.quotes is not None:
        unknown = sorted({one.quote for one in (*rule.beside, asked)} - rule.quotes)
        if unknown:
            return (
                f"{scope}: {rule.name} is limited in {rule.unit}, and what {', '.join(unknown)} "
                "counts in it is not known; add it to rates"
            )
    taken, more = add(*map(rule.amount, rule.beside)), rule.amount(asked)
    if add(taken, more) <= rule.limit:
        return None
    room = EXACT.subtract(rule.limit, taken)
    by = f" by {', '.join(one.run_id for one in rule.beside)}" if rule.beside else ""
    return (
        f"{scope}: {rule.name} is limited to {rule.limit} {rule.unit}, {taken} are taken{by} and "
        f"{asked.run_id} asks for {more}; there is room for {max(room, ZERO)}: ask for less, stop "
        "another run, or raise the limit"
    )
