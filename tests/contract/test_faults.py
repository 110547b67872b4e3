"""What goes wrong at a venue becomes the right error, and never looks like an empty answer."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import SecretStr

from activities.venues.ccxt.credentials import Credentials
from activities.venues.ccxt.hosts import Local, Mapped
from activities.venues.ccxt.registry import quirks_of
from activities.venues.ccxt.rest import Call
from activities.venues.ccxt.sockets import Conversation
from activities.venues.ccxt.venue import CcxtVenue
from domain.errors import (
    AuthenticationError,
    ClockSkewError,
    NotSentError,
    RateLimitedError,
    UnknownOutcomeError,
    VenueError,
    VenueUnavailableError,
)
from domain.money import Quantity
from domain.orders import OrderReport, OrderStatus, Refusal, RefusalReason
from tests.contract.bench import START, Bench, credentials
from tests.contract.test_venues import A, B, buy, place, soon
from tests.eventually import eventually


async def ready(bench: Bench) -> None:
    bench.advance(1)
    await bench.venue.instrument(bench.symbol)


# ---- answers that are lost


@pytest.mark.parametrize("kind", ["lost_answer", "no_answer"])
async def test_an_order_whose_answer_is_lost_is_unknown_and_then_found(
    bench: Bench, kind: str
) -> None:
    await ready(bench)
    bench.hasten()
    bench.fail("rest.place", kind, count=1)
    with pytest.raises(UnknownOutcomeError):
        await place(bench, A, 990)
    found = await bench.venue.look_up(bench.symbol, A)
    assert found is not None
    assert found.status is OrderStatus.OPEN
    again = await place(bench, A, 990)
    assert again.order_id == found.order_id


async def test_an_order_that_arrives_late_is_unknown_absent_and_then_there(bench: Bench) -> None:
    await ready(bench)
    bench.hasten()
    bench.fail("rest.place", "delay_before", count=1, delay=timedelta(seconds=2.5))
    with pytest.raises(UnknownOutcomeError):
        await place(bench, A, 990)
    assert await bench.venue.look_up(bench.symbol, A) is None  # which proves nothing yet
    await eventually(lambda: bench.venue.look_up(bench.symbol, A), what="the order")


@pytest.mark.parametrize("kind", ["server_error", "html", "unavailable", "drop_connection"])
async def test_an_order_that_nobody_answered_for_is_never_a_refusal(
    bench: Bench, kind: str
) -> None:
    await ready(bench)
    bench.fail("rest.place", kind, count=1)
    with pytest.raises(UnknownOutcomeError):
        await place(bench, A, 990)
    assert await bench.venue.look_up(bench.symbol, A) is None


async def test_an_order_that_could_not_leave_was_not_sent(bench: Bench) -> None:
    await ready(bench)
    connector = bench.venue._session.connector
    assert isinstance(connector, aiohttp.TCPConnector)
    with socket.socket() as unused:  # bound, and nobody listens
        unused.bind(("127.0.0.1", 0))
        connector._resolver = Mapped(bench.venue._quirks.hosts, _at(bench, unused))
        for handler, _ in [each for pooled in connector._conns.values() for each in pooled]:
            handler.close()
        connector._conns.clear()
        with pytest.raises(NotSentError, match="no connection"):
            await bench.venue.place(buy(bench, A, 990))


def _at(bench: Bench, unused: socket.socket) -> Local:
    return Local("127.0.0.1", unused.getsockname()[1], bench.local.authority)


@pytest.mark.parametrize("kind", ["lost_answer", "server_error", "html", "unavailable"])
async def test_a_question_that_fails_is_never_an_empty_answer(bench: Bench, kind: str) -> None:
    await ready(bench)
    await place(bench, A, 990)
    venue, symbol = bench.venue, bench.symbol
    for operation, ask in (
        ("open_orders", lambda: venue.open_orders(symbol)),
        ("fills", lambda: venue.fills_since(symbol, START)),
        ("balances", venue.balances),
        ("market", lambda: venue.last_price(symbol)),
        ("market", lambda: venue.quote(symbol)),
        ("order", lambda: venue.look_up(symbol, A)),
    ):
        bench.fail(f"rest.{operation}", kind)
        with pytest.raises(VenueUnavailableError):
            await ask()
    bench.heal()
    assert len(await venue.open_orders(symbol)) == 1


# ---- answers that say no


async def test_a_rate_limit_carries_its_delay_and_nothing_leaves_before_it(bench: Bench) -> None:
    await ready(bench)
    bench.fail("rest.place", "rate_limit", count=1, delay=timedelta(seconds=1))
    with pytest.raises(RateLimitedError) as told:
        await place(bench, A, 990)
    assert timedelta(seconds=0.9) <= told.value.retry_after <= timedelta(seconds=5)
    began = asyncio.get_running_loop().time()
    await place(bench, A, 990)
    assert asyncio.get_running_loop().time() - began > 0.5
    assert len(await bench.venue.open_orders(bench.symbol)) == 1


async def test_a_clock_that_is_off_is_said_to_be_off(bench: Bench) -> None:
    await ready(bench)
    bench.fail("rest.place", "skew_clock", count=1, delay=timedelta(minutes=5))
    with pytest.raises(ClockSkewError, match="clock"):
        await place(bench, A, 990)
    await place(bench, A, 990)


async def test_a_scripted_refusal_is_a_refusal(perpetual: Bench) -> None:
    await ready(perpetual)
    perpetual.fail("rest.place", "refuse", reason=RefusalReason.INSUFFICIENT_FUNDS, client_id=A)
    refused = await perpetual.venue.place(buy(perpetual, A, 990))
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.INSUFFICIENT_FUNDS
    assert (await place(perpetual, B, 990)).client_id == B


async def test_wrong_keys_are_an_error_for_a_person_and_are_not_in_it(bench: Bench) -> None:
    right = credentials("alice")
    wrong = Credentials(right.key, SecretStr("wrong-secret-text"), right.passphrase, right.uid)
    stranger = Credentials(SecretStr("nobody"), right.secret, right.passphrase, right.uid)
    quirks = quirks_of(bench.venue.name, bench.kind)
    async with CcxtVenue(quirks, wrong, local=bench.local) as venue:
        with pytest.raises(AuthenticationError, match="check the key") as told:
            await venue.balances()
    quirks = quirks_of(bench.venue.name, bench.kind)
    async with CcxtVenue(quirks, stranger, local=bench.local) as venue:
        with pytest.raises(AuthenticationError):
            async with venue.reports():
                pass
    assert "wrong-secret-text" not in str(told.value)
    assert right.key.get_secret_value() not in str(told.value)
    assert "wrong" not in repr(wrong)


async def test_a_front_refuses_parameters_it_does_not_know(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ready(bench)
    quirks = bench.venue._quirks
    inner = quirks.rest.ask

    async def with_nonsense(call: Call) -> Any:
        return await inner(replace(call, params={**dict(call.params), "nonsense": "1"}))

    monkeypatch.setattr(quirks.rest, "ask", with_nonsense)
    with pytest.raises(VenueError):
        await bench.venue.balances()


async def test_only_the_venues_own_hosts_are_reached(bench: Bench) -> None:
    await ready(bench)
    with pytest.raises(OSError, match=r"example\.com"):
        await bench.venue._session.get("https://example.com/")


# ---- streams


async def until_lost(reports: AsyncIterator[OrderReport]) -> None:
    while True:
        await soon(reports)


async def test_a_lost_stream_raises_and_the_next_one_tells_what_comes_then(bench: Bench) -> None:
    await ready(bench)
    await place(bench, A, 990)
    bench.fail("stream.private", "drop_stream", count=1)
    async with bench.venue.reports() as reports:
        bench.advance(1)
        with pytest.raises(VenueUnavailableError):
            await until_lost(reports)
    bench.heal()
    async with bench.venue.reports() as reports:
        bench.advance(1)
        report = await soon(reports)
    assert (report.filled, report.value) == (Quantity(10), 10 * 9900)


@pytest.mark.parametrize("kind", ["duplicate_report", "drop_report", "reorder_report"])
async def test_reports_that_are_repeated_lost_or_late_still_have_exact_sums(
    bench: Bench, kind: str
) -> None:
    await ready(bench)
    bench.fail("stream.private", kind, every=2, count=2)
    async with bench.venue.reports() as reports:
        await place(bench, A, 990)
        bench.advance(2)
        told = [await soon(reports)]
        while told[-1].status is not OrderStatus.FILLED:
            told.append(await soon(reports))
    assert all(each.value == each.filled.lots * 9900 for each in told)
    assert told[-1].filled == Quantity(10)


async def test_a_stream_that_falls_silent_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Conversation, "ping_every", timedelta(seconds=0.4))
    monkeypatch.setattr(Conversation, "silence", timedelta(seconds=1))
    await ready(bench)
    async with bench.venue.reports() as reports:
        bench.fail("stream.private", "freeze_stream", count=1)
        bench.advance(1)
        await bench.venue.place(buy(bench, A, 980))
        with pytest.raises(VenueUnavailableError):
            await soon(reports)


async def test_a_stream_of_an_exchange_that_is_gone_says_so(bench: Bench, tmp_path: Path) -> None:
    await ready(bench)
    venue = CcxtVenue(
        quirks_of(bench.venue.name, bench.kind), credentials("alice"), local=bench.local
    )
    async with venue:
        bench.fail("rest.time", "drop_connection")
        with pytest.raises(VenueUnavailableError):
            async with venue.prices([bench.symbol]):
                pass
