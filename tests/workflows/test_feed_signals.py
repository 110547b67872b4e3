"""What a feed tells a run: once or twice, in pieces nobody can read, or after its time."""

from dataclasses import replace
from decimal import Decimal

import pytest

from activities.messages import FeedBatch
from domain.grid.events import FeedChanged, Reported
from domain.orders import OrderStatus
from tests.eventually import eventually
from tests.workflows.stage import START, SYMBOL, Stage, working
from workers.wiring import ensure_feed
from workflows.messages import Taken
from workflows.names import feed_workflow_id


async def test_a_batch_that_comes_twice_is_taken_once(live: Stage) -> None:
    run = await live.trading()
    await silence(live)  # what the account's own feed says in between would be another's batch
    first = live.open_orders()[0]
    assert first.price is not None
    filled = replace(
        first,
        filled=first.quantity,
        value=first.quantity.lots * first.price.ticks,
        status=OrderStatus.FILLED,
    )
    # The venue did not say this, so if it counted at all it would be seen.
    lost = FeedChanged(live=False, at=START, why="told twice")
    await live.feed(run, "other", 1, lost)
    await live.until(run, feed="stale")
    await live.feed(run, "other", 2, FeedChanged(live=True, at=START))
    await live.until(run, feed="live")
    await live.feed(run, "other", 1, lost, Reported(filled))
    await live.feed(run, "other", 2, lost, Reported(filled))
    await live.feed(run, "other", 3, FeedChanged(live=True, at=START))
    status = await live.until(run, feed="live")
    assert (status.fills, status.position) == (0, Decimal(0))


async def test_what_cannot_be_read_makes_the_run_ask_the_venue(stage: Stage) -> None:
    """A fill hides in a batch that nobody can read: it is found all the same."""
    async with working(stage):
        run = await stage.trading()
        await silence(stage)
        stage.trade(59_900)
        await run.signal("feed", {"session": "newer", "events": "?"})
        await stage.until(run, fills=1, position=Decimal("0.002"))
        await eventually(lambda: stage.prices()[1] == [60_000], what="the exit")
        assert len(await stage.ledger.fills_of_run(run.id)) == 1


async def silence(stage: Stage) -> None:
    """End the account's own feed: nobody listens to the market any more."""
    await stage.client.get_workflow_handle(feed_workflow_id(stage.account)).terminate()
    await eventually(lambda: not stage.market._listeners, what="the end of the feed")


async def test_the_run_compares_with_the_venue_by_the_clock(stage: Stage) -> None:
    """A fill that no stream ever told is found by the next comparison."""
    async with working(stage):
        run = await stage.trading(reconcile_every=5)
        await silence(stage)
        stage.trade(59_900)
        await stage.until(run, fills=1, position=Decimal("0.002"))
        await eventually(lambda: stage.prices()[1] == [60_000], what="the exit")


async def test_a_fill_while_no_feed_runs_is_found_when_one_starts(stage: Stage) -> None:
    async with working(stage):
        run = await stage.trading()
        await silence(stage)
        stage.trade(59_900)
        stage.trade(59_800)
        await ensure_feed(stage.client, stage.account)
        await stage.until(run, fills=2, feed="live")
        await stage.resting(buys=[59_700, 59_600, 59_500], sells=[59_900, 60_000])


async def test_a_fill_while_no_worker_runs_is_found_and_left_once(stage: Stage) -> None:
    async with working(stage):
        run = await stage.trading()
    stage.trade(59_900)
    assert stage.prices() == ([59_800, 59_700], [])
    async with working(stage):
        await stage.resting(buys=[59_800, 59_700, 59_600], sells=[60_000])
        status = await stage.until(run, fills=1)
        assert status.position == Decimal("0.002")
        sells = [order for order in stage.orders() if order.side == "sell"]
        assert len(sells) == 1


async def test_a_foreign_order_is_left_alone(live: Stage) -> None:
    from domain.money import Price, Quantity
    from domain.orders import OrderRequest, Side

    run = await live.trading()
    await live.venue.place(OrderRequest("by-hand-1", SYMBOL, Side.BUY, Quantity(7), Price(59_850)))
    live.trade(59_850)
    live.trade(59_900 - 1)
    await live.until(run, fills=1)
    live.trade(60_000)
    await live.until(run, cycles=1, position=Decimal(0))
    by_hand = await live.venue.look_up(SYMBOL, "by-hand-1")
    assert by_hand is not None
    assert by_hand.status == "filled"


@pytest.mark.parametrize(
    "session, number, covered",
    [
        ("feed-a/2", 5, True),
        ("feed-a/2", 6, False),
        ("feed-a/1", 99, True),
        ("feed-a/10", 1, False),
        ("feed-b/1", 1, False),
        ("no-attempt", 1, False),
    ],
)
def test_a_feed_that_was_replaced_is_not_listened_to(
    session: str, number: int, covered: bool
) -> None:
    assert Taken("feed-a/2", 5).covers(FeedBatch(session, number, ())) is covered
