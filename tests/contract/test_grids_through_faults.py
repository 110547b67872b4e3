"""What goes wrong between a trading grid and its venue: trading goes on, or stops as it should.

Each fault is played by the local exchange on the unmodified client. Whatever it was, the books are
right behind it: every order once, every fill once, nothing left over (`Trader.close` checks that);
and a person was told what happened and what to do. docs/faults.md lists what is promised.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr
from temporalio.client import WorkflowFailureError

import workers.simple_run
from activities import silence
from activities.venues.ccxt.credentials import Credentials
from activities.venues.ccxt.sockets import Conversation
from domain.errors import AuthenticationError
from domain.grid.events import Place
from domain.money import MarketKind
from domain.orders import OrderRequest
from tests.contract.bench import START, credentials, rule
from tests.contract.conftest import NAMES
from tests.contract.trading import PRICES, Trader, alike, planned, trading
from tests.eventually import eventually
from tests.lockstep import observe
from tests.workflows.server import TemporalServer
from tests.workflows.stage import connected
from workers.backtest import OrderAction
from workers.cli.failures import Exit, describe

SECOND = timedelta(seconds=1)
#: Down to one level and up again: an entry, its exit, and the entry anew.
SHORT = (1000, 990, 1000)


class Where(NamedTuple):
    """A venue, a kind of market, and how the grid is run there."""

    name: str
    kind: MarketKind
    durable: bool = False

    def __str__(self) -> str:
        return f"{self.name}-{self.kind}{'-durable' * self.durable}"


def simple(shift: int) -> list[Where]:
    """Return every venue, the kinds of market taking turns."""
    kinds = list(MarketKind)
    return [Where(name, kinds[(at + shift) % 2]) for at, name in enumerate(NAMES)]


def places(shift: int) -> Sequence[Any]:
    """Return every venue, and one of them with a durable grid."""
    every = simple(shift)
    durable = every[shift % len(every)]._replace(durable=True)
    return [pytest.param(where, id=str(where)) for where in (*every, durable)]


class Ground:
    """Where a test lets its grids trade."""

    def __init__(self, directory: Path, server: TemporalServer | None) -> None:
        self._directory = directory
        self._server = server

    @asynccontextmanager
    async def at(self, where: Where, **options: Any) -> AsyncIterator[Trader]:
        """Let a grid trade at a venue; it has placed its first entries."""
        client = await connected(self._server.address) if self._server else None
        directory = self._directory / str(where)
        async with trading(where[:2], directory, client=client, **options) as trader:
            await trader.settle()
            yield trader


@pytest.fixture(name="ground")
def _ground(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Ground:
    observe(monkeypatch)
    monkeypatch.setattr(workers.simple_run, "LOOK_AGAIN", timedelta(seconds=0.3))
    where = getattr(request.node, "callspec", None) and request.node.callspec.params.get("where")
    return Ground(tmp_path, request.getfixturevalue("server") if where and where.durable else None)


async def told(caplog: pytest.LogCaptureFixture, text: str) -> None:
    """Wait until the log says *text*."""
    await eventually(lambda: text in caplog.text, what=f"{text!r} in the log")


def ordered(actions: Sequence[OrderAction]) -> list[tuple[str, int, int]]:
    """Return the orders among *actions*, sorted."""
    return sorted(_order(action.request) for action in actions if isinstance(action, Place))


def _order(request: OrderRequest) -> tuple[str, int, int]:
    return (request.side, request.price.ticks if request.price else 0, request.quantity.lots)


# ---- rates


async def test_grids_trade_on_while_every_third_request_is_one_too_many(
    ground: Ground, caplog: pytest.LogCaptureFixture
) -> None:
    await asyncio.gather(*(_limited(ground, where) for where in simple(0)))
    for name in NAMES:
        said = [r.getMessage() for r in caplog.records if r.getMessage().startswith(f"{name} ")]
        assert any("nothing is sent before 20" in line for line in said), name


@pytest.mark.parametrize("where", [Where("bitget", MarketKind.PERPETUAL, durable=True)])
async def test_a_durable_grid_trades_on_while_every_third_request_is_one_too_many(
    ground: Ground, where: Where, caplog: pytest.LogCaptureFixture
) -> None:
    await _limited(ground, where)
    await told(caplog, "nothing is sent before")


async def _limited(ground: Ground, where: Where) -> None:
    async with ground.at(where, prices=SHORT) as trader:
        trader.bench.fail("rest.*", "rate_limit", every=3, delay=SECOND)
        trader.bench.advance(1)
        await trader.agree()
        # What a resync asks takes many requests: it must come to its end all the same.
        view = await trader.bench.venue.account_view(trader.bench.symbol, START)
        assert {order.client_id for order in view.orders} == {o.client_id for o in trader.orders()}
        assert trader.bench.exchange.plan.played >= 3
        trader.bench.heal()
        await trader.close()


# ---- no answer


@pytest.mark.parametrize("where", places(1))
async def test_a_grid_trades_as_planned_though_every_fifth_answer_is_lost(
    ground: Ground, where: Where, caplog: pytest.LogCaptureFixture
) -> None:
    async with ground.at(where) as trader:
        trader.bench.fail("rest.place*", "lost_answer", every=5)
        await trader.move(len(PRICES) - 1)
        assert trader.bench.exchange.plan.played >= 3
        await trader.close()
        assert trader.actions == alike(planned(where.kind).actions)
    await told(caplog, "has arrived though its answer was lost")


DOWN = {
    "server_error": "HTTP 502 a web page instead of an answer",
    "html": "HTTP 200 a web page instead of an answer (Maintenance)",
}
DURABLY = (Where("bybit", MarketKind.SPOT, durable=True), "html")


@pytest.mark.parametrize(
    "where,kind",
    [
        pytest.param(where, kind, id=f"{where}-{kind}")
        for where, kind in (*product(simple(2), DOWN), DURABLY)
    ],
)
async def test_orders_in_doubt_of_a_venue_that_is_down_are_settled_when_it_is_back(
    ground: Ground, where: Where, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with ground.at(where, prices=SHORT) as trader:
        trader.bench.fail("rest.*", kind)
        before = len(trader.orders())
        trader.bench.advance(1)
        await told(caplog, "is in doubt and will be looked up")
        await told(caplog, DOWN[kind])
        notes = [slot.note for slot in await trader.runner.slots()]
        assert "outcome unknown, being looked up" in notes
        assert len(trader.orders()) == before
        trader.bench.heal()
        trader.clock.advance(trader.desks.venue.arrival_limit)
        await trader.agree()
        await trader.move()
        assert (await trader.close()).cycles == 1


# ---- clocks and keys


@pytest.mark.parametrize("where", [pytest.param(where, id=str(where)) for where in simple(3)])
async def test_a_wrong_clock_is_told_and_corrected_and_the_grid_trades_as_planned(
    ground: Ground, where: Where, caplog: pytest.LogCaptureFixture
) -> None:
    ahead = timedelta(minutes=5)
    async with ground.at(where, prices=SHORT) as trader:
        for _ in SHORT[1:]:
            trader.bench.fail("rest.place*", "skew_clock", count=1, delay=ahead)
            await trader.move()
            assert trader.bench.exchange.plan.played == 1
        await trader.close()
        assert trader.actions == alike(planned(where.kind, SHORT).actions)
    await told(caplog, "check this machine's clock (NTP); it is compared with the venue's again")


@pytest.mark.parametrize("where", places(4))
async def test_a_key_that_is_revoked_stops_the_grid_until_a_person_acts(
    ground: Ground, where: Where, caplog: pytest.LogCaptureFixture
) -> None:
    async with ground.at(where) as trader:
        trader.bench.fail("rest.*", "revoke_key")
        before = len(trader.orders())
        trader.bench.advance(3)
        await told(caplog, "an order was refused (other): ")
        await told(caplog, "check the key, its permissions and its IP list")
        assert len(trader.orders()) == before
        trader.bench.heal()
        trader.bench.advance(3)  # whatever moves lets a slot that rests try again
        await trader.agree()
        await trader.close()


@pytest.mark.parametrize("where", [pytest.param(where, id=str(where)) for where in simple(0)])
async def test_a_grid_does_not_start_with_a_wrong_secret(ground: Ground, where: Where) -> None:
    with pytest.raises(AuthenticationError) as error:
        async with ground.at(where, keys=_wrong()):
            pytest.fail("it started")
    failure = describe(error.value)
    assert failure.code is Exit.FAILED
    assert failure.kind == "Authentication"
    assert failure.message.startswith(f"{where.name} ")
    assert failure.message.endswith(": check the key, its permissions and its IP list")
    assert "wrong-secret-text" not in failure.message


@pytest.mark.parametrize("where", [Where("gate", MarketKind.SPOT, durable=True)])
async def test_a_durable_grid_ends_at_once_with_a_wrong_secret(
    ground: Ground, where: Where, tmp_path: Path, server: TemporalServer
) -> None:
    client = await connected(server.address)
    async with trading(where[:2], tmp_path, client=client, keys=_wrong()) as trader:
        with pytest.raises(WorkflowFailureError) as error:
            await trader.runner.result()
        assert not trader.orders()
    assert "check the key, its permissions and its IP list" in str(error.value.cause)


def _wrong() -> Credentials:
    right = credentials("alice")
    secret = SecretStr("d3Jvbmctc2VjcmV0LXRleHQ=wrong-secret-text")
    return Credentials(right.key, secret, right.passphrase, right.uid)


# ---- streams


@pytest.mark.parametrize("where", places(3))
async def test_what_was_filled_in_an_outage_of_the_streams_is_found_and_traded_on(
    ground: Ground,
    where: Where,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Conversation, "ping_every", timedelta(seconds=0.4))
    monkeypatch.setattr(Conversation, "silence", SECOND)
    async with ground.at(where) as trader:
        trader.bench.exchange.plan.set(
            [rule("stream.private", "freeze_stream"), rule("stream.open", "unavailable")]
        )
        trader.bench.advance(2)
        assert trader.fills()

        async def stale() -> bool:
            return (await trader.runner.status()).feed == "stale"

        await eventually(stale, what="a stale feed")
        await told(caplog, f"the streams of account {trader.desks.account} are lost")
        before = len(trader.orders())
        trader.bench.advance(1)
        # The first one came 15 seconds in: there were 30 seconds of fills that nobody heard of.
        assert trader.fills()[-1].at - START >= timedelta(seconds=15 + 30)
        trader.bench.heal()
        await trader.agree()
        assert len(trader.orders()) > before
        await told(caplog, f"the streams of account {trader.desks.account} are back")
        await trader.move(2)
        await trader.close()


@pytest.mark.parametrize("where", [pytest.param(where, id=str(where)) for where in simple(4)])
async def test_a_grid_trades_as_planned_on_events_that_are_doubled_and_swapped(
    ground: Ground, where: Where, caplog: pytest.LogCaptureFixture
) -> None:
    prices = PRICES[:8]
    async with ground.at(where, prices=prices) as trader:
        trader.bench.exchange.plan.set(
            [
                rule("stream.private", "duplicate_report", every=2),
                rule("stream.private", "reorder_report", every=3),
            ]
        )
        await trader.move(len(prices) - 1)
        assert trader.bench.exchange.plan.played >= 7
        await trader.close()
        # Two fills of one moment may be handled in either order, and so are the orders for them.
        assert ordered(trader.desk.actions) == ordered(planned(where.kind, prices).actions)
    # It is nothing that a person has to know of; the dust of fees in base is.
    assert all("is left: below" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    "where,stream",
    [
        pytest.param(where, f"stream.{kind}", id=f"{where}-{kind}")
        for at, where in enumerate(simple(0))
        for kind in (("private", "public")[at % 2],)
    ],
)
async def test_a_stream_that_tells_nothing_but_answers_pings_is_opened_again(
    ground: Ground,
    where: Where,
    stream: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(silence, "QUIET", timedelta(seconds=0.3))
    monkeypatch.setattr(silence, "GRACE", timedelta(seconds=0.3))
    async with ground.at(where) as trader:
        await trader.move(2)
        trader.bench.fail(stream, "drop_report")
        trader.bench.advance(1)
        await told(caplog, "is dead: it has told nothing since")
        trader.bench.heal()
        await trader.agree()
        await trader.move(2)
        await trader.close()
