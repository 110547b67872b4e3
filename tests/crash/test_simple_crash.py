"""The simple runner, killed at any moment: every order once, every fill once, the money adds up."""

import asyncio
import random
import signal
from pathlib import Path

import grpc
import pytest

from activities.venues.remote import RemoteVenue
from domain.order_ids import Purpose, decode
from opensqt.market_maker.v1 import paper_pb2, paper_pb2_grpc
from tests.crash.simple import NAME, SYMBOL, Simple, answer, counted, disagreement, sendings
from tests.eventually import eventually
from tests.workers.exchange.process import Exchange, started

KILLS = 12  # a thousand are the crash lab's
#: A nervous market, so that there is always something to kill in the middle of.
MARKET = ("--symbol", SYMBOL, "--market", "perpetual", "--volatility", "0.4", "--seed", "11")
SPEC = f"""
symbol: {SYMBOL}
direction: neutral
interval: 60
amount: 130
buy_window: 5
sell_window: 5
reconcile_every: 5
"""


async def prepared(exchange: Exchange, tmp_path: Path, spec: str = SPEC) -> Simple:
    runner = Simple(exchange, tmp_path / "run", spec)
    upgrade = await runner.command("db", "upgrade")
    _, errors = await upgrade.communicate()
    assert upgrade.returncode == 0, errors.decode()
    return runner


async def pause(exchange: Exchange) -> None:
    async with grpc.aio.insecure_channel(exchange.address) as channel:
        await paper_pb2_grpc.PaperControlServiceStub(channel).Pause(paper_pb2.PauseRequest())


async def agree(runner: Simple, venue: RemoteVenue) -> None:
    found: list[str] = []

    async def agreed() -> bool:
        runner.check_alive()
        found.append(await disagreement(runner, venue))
        return not found[-1]

    try:
        await eventually(agreed)
    except AssertionError:
        pytest.fail(f"they do not agree: {found[-1:]}")


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_killed_again_and_again_it_doubles_nothing_and_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(20260101)
    async with (
        started(tmp_path / "exchange", *MARKET, "--speed", "12") as exchange,
        RemoteVenue(exchange.address, "paper") as venue,
    ):
        await exchange.advance(1)
        runner = await prepared(exchange, tmp_path)
        try:
            kills = 0
            while kills < KILLS or (await counted(venue))[1] <= 2 * KILLS:
                await kill_while_trading(runner, venue, chance)
                kills += 1
            await pause(exchange)
            before = runner.version()
            process = await runner.start()
            await eventually(lambda: went_on(runner, before), within=60)
            await agree(runner, venue)
            orders, fills = await counted(venue)
            assert fills > 2 * KILLS
            assert orders > fills / 2
            process.send_signal(signal.SIGTERM)
            output, _ = await asyncio.wait_for(process.communicate(), 60)
            assert (process.returncode, answer(output)["ended"]) == (0, False)
            assert set(sendings(tmp_path / "exchange").values()) == {1}
            process = await runner.start("--stop", "close")
            output, errors = await asyncio.wait_for(process.communicate(), 120)
            assert process.returncode == 0, errors.decode()
            result = answer(output)["result"]
            assert (float(result["residual"]), float(result["position"])) == (0, 0)
            assert not await venue.open_orders(SYMBOL)
            assert not await venue.positions(SYMBOL)
        finally:
            await runner.kill()


async def went_on(runner: Simple, before: int) -> bool:
    """Return whether a new process has committed a state: it trades, and it listens to signals."""
    return runner.version() > before


async def kill_while_trading(runner: Simple, venue: RemoteVenue, chance: random.Random) -> None:
    """Start the runner, let it send some orders, and kill it a moment later."""
    before, _ = await counted(venue)
    more = chance.choice((0, 1, 1, 2, 3, 5, 8))
    await runner.start()

    async def sent() -> bool:
        runner.check_alive()
        orders, _ = await counted(venue)
        return orders >= before + more

    if more:
        await eventually(sent, within=60, every=0.002)  # a process starts slowly on a busy machine
    await asyncio.sleep(chance.random() * 0.2)  # the moment is the test; nothing waits for it
    await runner.kill()


async def test_a_fill_while_everything_is_down_is_found_and_its_exit_placed_once(
    tmp_path: Path,
) -> None:
    async with (
        started(tmp_path / "exchange", *MARKET, "--speed", "0") as exchange,
        RemoteVenue(exchange.address, "paper") as venue,
    ):
        await exchange.advance(1)
        runner = await prepared(exchange, tmp_path, SPEC.replace("neutral", "long"))
        try:
            await runner.start()
            await agree_with_orders(runner, venue)
            await runner.kill()
            while not (await counted(venue))[1]:
                await exchange.advance(1000, report=True)
            held = sum(position.lots for position in await venue.positions(SYMBOL))
            assert held > 0
            await runner.start()
            await eventually(lambda: exits(venue))
            await agree(runner, venue)
            state = runner.state()
            assert state is not None
            assert state.position_lots == held
            slots = [slot for slot in state.slots.values() if slot.holding.lots]
            placed = await exits(venue)
            assert sorted(placed) == sorted(slot.entry.ticks for slot in slots)
            assert set(sendings(tmp_path / "exchange").values()) == {1}
        finally:
            await runner.kill()


async def agree_with_orders(runner: Simple, venue: RemoteVenue) -> None:
    async def resting() -> bool:
        runner.check_alive()
        return len(await venue.open_orders(SYMBOL)) == 5

    await eventually(resting)
    await agree(runner, venue)


async def exits(venue: RemoteVenue) -> list[int]:
    """Return the slots of the exits that rest at the venue."""
    keys = [decode(order.client_id) for order in await venue.open_orders(SYMBOL)]
    return [key.key for key in keys if key is not None and key.purpose is Purpose.EXIT_SELL]


async def test_a_second_process_of_the_same_run_is_refused(tmp_path: Path) -> None:
    async with (
        started(tmp_path / "exchange", *MARKET, "--speed", "0") as exchange,
        RemoteVenue(exchange.address, "paper") as venue,
    ):
        await exchange.advance(1)
        runner = await prepared(exchange, tmp_path)
        try:
            await runner.start()
            await eventually(lambda: venue.open_orders(SYMBOL))
            second = await runner.command("simple", "run", str(runner._spec), "--name", NAME)
            _, errors = await asyncio.wait_for(second.communicate(), 20)
            assert second.returncode == 5
            assert f"run {NAME} is already running in another process" in errors.decode()
            runner.check_alive()
        finally:
            await runner.kill()
