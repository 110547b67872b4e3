"""The flaws of the earlier system's reconciler, end to end: here they cannot come back.

All by the simple runner; that the durable one does the same is `tests/reconcile`.
"""

from pathlib import Path

from domain.money import MarketKind, Price, Quantity
from domain.orders import OrderRequest, Side
from tests.eventually import eventually
from tests.reconcile.runs import Runs
from tests.reconcile.worlds import Counted, World, opened_world


async def resting(world: World) -> None:
    await eventually(lambda: len(world.resting(Side.BUY)) == 3, what="three entries")


async def test_k1_a_fill_of_an_order_that_the_venue_does_not_list_is_found(tmp_path: Path) -> None:
    async with opened_world("paper", MarketKind.PERPETUAL, tmp_path) as world:
        runs = Runs("simple", world, tmp_path)
        async with runs.life():
            await resting(world)
        (order,) = [o for o in world.resting(Side.BUY) if o.price == Price(9_900)]
        world.trade(9_895, lots=1000)
        assert isinstance(world.venue, Counted)
        world.venue.hidden = frozenset([order.client_id])
        async with runs.life() as run:
            await eventually(lambda: world.leaves == world.lots > 0, what="an exit for the fill")
            belief = await run.belief()
            assert belief.held == world.instrument.base_of(Quantity(world.lots))


async def test_k2_what_is_said_to_be_corrected_is_corrected(tmp_path: Path) -> None:
    async with opened_world("paper", MarketKind.PERPETUAL, tmp_path) as world:
        runs = Runs("simple", world, tmp_path, fields={"reconcile_every": 5})
        async with runs.life() as run:
            await resting(world)
            world.advance(4)
            await eventually(lambda: world.leaves == world.lots > 1000, what="two exits")
            world.by_hand(-world.lots * 3 // 100)
            ledger, name = run.desks.ledger, run.desks.account
            await eventually(lambda: ledger.corrections_of_run(name), what="a correction")
            await eventually(lambda: world.leaves == world.lots, what="exits for what is there")
            held = (await ledger.account_of_run(name)).base
            assert (
                held == (await run.belief()).held == world.instrument.base_of(Quantity(world.lots))
            )


async def test_k3_an_order_by_hand_stays_and_so_do_ours_while_they_are_on_their_way(
    tmp_path: Path,
) -> None:
    async with opened_world("paper", MarketKind.PERPETUAL, tmp_path) as world:
        symbol = world.instrument.symbol
        runs = Runs("simple", world, tmp_path, fields={"reconcile_every": 5})
        async with runs.life() as run:
            await resting(world)
            world.place(OrderRequest("by-hand", symbol, Side.BUY, Quantity(7), Price(9_000)))
            assert isinstance(world.venue, Counted)
            # No list shows what the run has sent, as if all of it were on its way.
            ours = [o.client_id for o in world.resting(Side.BUY) if o.client_id != "by-hand"]
            world.venue.hidden = frozenset(ours)
            venue, seen = world.venue, world.venue.views
            await eventually(lambda: venue.views >= seen + 3, what="three looks")
            assert len(world.resting(Side.BUY)) == 4, "neither freed nor canceled"
            assert len(world.orders()) == 4, "nor sent again"
            events = await run.desks.ledger.risk_events(run.desks.account)
            assert [event.kind for event in events] == ["foreign order"]
