"""The control API, asked as anybody would: by HTTP and JSON, beside a client that trades."""

from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from activities.venues.ccxt.hosts import Local
from activities.venues.ccxt.registry import quirks_of
from activities.venues.ccxt.venue import CcxtVenue
from domain.errors import AlreadyRunningError, ClockSkewError, InvalidValueError, RateLimitedError
from domain.money import MarketKind
from tests.contract.bench import BALANCES, PERPETUAL, SPOT, START, Markets, credentials, events
from tests.contract.test_venues import A, B, buy, soon
from workers.exchange.fronts.keys import local_keys
from workers.exchange.server import Running, running
from workers.exchange.settings import ExchangeSettings

PERP = PERPETUAL.symbol
HTML: dict[str, Any] = {"method": "rest.place", "kind": "html"}
#: It lacks for how long.
LIMIT: dict[str, Any] = {"method": "rest.place", "kind": "rate_limit"}


@dataclass
class Panel:
    """The API of a running exchange, and a client of its only front."""

    exchange: Running
    venue: CcxtVenue
    http: aiohttp.ClientSession
    kind = MarketKind.PERPETUAL
    symbol = PERP

    async def ask(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        async with self.http.request(method, f"{self.exchange.control}{path}", json=body) as reply:
            told = await reply.json()
            assert reply.status == status, told
            return told

    async def refused(self, method: str, path: str, body: Any = None, status: int = 400) -> Any:
        told = await self.ask(method, path, body, status)
        assert set(told["error"]) == {"field", "value", "fix"}
        assert told["error"]["fix"]
        return told["error"]

    async def place(self, client_id: str, price: int, lots: int = 10) -> Any:
        return await self.venue.place(buy(self, client_id, price, lots))  # type: ignore[arg-type]


def settings(data: Path, **changes: Any) -> ExchangeSettings:
    written: dict[str, Any] = {
        "listen": "127.0.0.1:0",
        "control": "127.0.0.1:0",
        "speed": Decimal(0),
        "balances": BALANCES,
        "fronts": ("binance",),
    }
    return ExchangeSettings(data=data, **{**written, **changes})


@pytest.fixture(name="panel")
async def _panel(tmp_path: Path) -> AsyncIterator[Panel]:
    source = Markets(events(MarketKind.PERPETUAL))
    async with running(settings(tmp_path), source) as exchange:
        assert exchange.fronts is not None
        fronts = exchange.fronts
        venue = CcxtVenue(
            quirks_of("binance", MarketKind.PERPETUAL),
            credentials("alice"),
            local=Local(fronts.host, fronts.port, fronts.authority),
            timeout=timedelta(seconds=10),
        )
        async with venue, aiohttp.ClientSession() as http:
            yield Panel(exchange, venue, http)


# ---- the market


async def test_the_first_page_tells_what_there_is(panel: Panel) -> None:
    told = await panel.ask("GET", "/")
    assert told["symbols"] == [PERP, SPOT.symbol]
    assert (told["events"], told["exhausted"], told["live"]) == (0, False, False)
    assert told["fronts"]["venues"] == ["binance"]
    assert "POST /advance" in told["endpoints"]


async def test_events_are_released_by_count_and_until_a_price(panel: Panel) -> None:
    told = await panel.ask("POST", "/advance", {"events": 3})
    assert (told["released"], told["stopped_by"], told["events"]) == (3, "count", 3)
    band = {"events": 1000, "symbol": PERP, "low": "900", "high": "1010"}
    told = await panel.ask("POST", "/advance", band)
    assert (told["stopped_by"], told["released"]) == ("price", 12)  # funding, 1001 ... 1011
    told = await panel.ask("POST", "/advance", {"events": 1000})
    assert (told["stopped_by"], told["exhausted"]) == ("exhausted", True)


async def test_the_market_stops_at_the_next_report(panel: Panel) -> None:
    await panel.ask("POST", "/advance")
    await panel.place(A, 990)
    told = await panel.ask("POST", "/advance", {"events": 100, "until_report": True})
    assert (told["stopped_by"], told["released"]) == ("report", 1)


async def test_the_clock_is_set_and_stopped(panel: Panel) -> None:
    assert (await panel.ask("GET", "/clock"))["speed"] == "0"
    told = await panel.ask("PUT", "/clock", {"speed": "2.5", "paused": True})
    assert (told["speed"], told["paused"], told["ahead_seconds"]) == ("2.5", True, 0)
    assert panel.exchange.host.clock.paused
    assert not (await panel.ask("PUT", "/clock", {"paused": False}))["paused"]


async def test_a_clock_that_is_off_refuses_who_signs_by_the_right_one(panel: Panel) -> None:
    await panel.ask("POST", "/advance")
    await panel.venue.instrument(PERP)
    await panel.ask("PUT", "/clock", {"ahead_seconds": "300"})
    with pytest.raises(ClockSkewError):
        await panel.place(A, 990)
    await panel.ask("PUT", "/clock", {"ahead_seconds": 0})
    for _ in range(5):  # the client has set its clock by the wrong one, and notices
        with suppress(ClockSkewError):
            await panel.place(B, 990)
    assert panel.exchange.host.exchange.look_up("alice", PERP, B) is not None


async def test_funding_is_settled_at_once_and_stays_settled(panel: Panel, tmp_path: Path) -> None:
    await panel.ask("POST", "/advance", {"events": 2})
    await panel.venue.place(buy(panel, A, None, lots=10))  # type: ignore[arg-type]
    told = await panel.ask("POST", "/funding", {"symbol": PERP, "rate": "-0.0005"})
    assert (told["symbol"], told["rate"]) == (PERP, "-0.0005")
    paid = panel.exchange.host.exchange.funding_since("alice", PERP, START)
    assert [each.amount for each in paid] == [Decimal("0.0005") * Decimal("9.9")]
    rates = await panel.venue.funding_rates(PERP, paid[0].at - timedelta(seconds=1))
    assert [each.rate for each in rates] == [Decimal("-0.0005")]


# ---- trouble


async def test_rules_are_set_seen_counted_and_taken_back(panel: Panel) -> None:
    await panel.ask("POST", "/advance")
    rule = {"method": "rest.place", "kind": "rate_limit", "count": 1, "delay_seconds": 0.5}
    told = await panel.ask("PUT", "/faults", [rule])
    assert told["rules"][0] | rule == told["rules"][0]
    with pytest.raises(RateLimitedError):
        await panel.place(A, 990)
    (seen,) = (await panel.ask("GET", "/faults"))["rules"]
    assert (seen["matched"], seen["played"]) == (1, 1)
    assert await panel.ask("DELETE", "/faults") == {"rules": []}


WRONG_RULES: Sequence[tuple[Any, str, Any]] = (
    ([{"kind": "html"}], "0.method", None),
    ([HTML, HTML | {"kind": "rain"}], "1.kind", "rain"),
    ([HTML | {"every": 0}], "0.every", 0),
    ([HTML | {"eve": 1}], "0.eve", 1),
    ([LIMIT], "0", LIMIT),
    (HTML, "body", HTML),
)


async def test_a_rule_that_cannot_be_meant_is_refused_and_changes_nothing(panel: Panel) -> None:
    await panel.ask("PUT", "/faults", [{"method": "rest.time", "kind": "html"}])
    for rules, field, value in WRONG_RULES:
        error = await panel.refused("PUT", "/faults", rules)
        assert (error["field"], error["value"]) == (field, value)
    assert len((await panel.ask("GET", "/faults"))["rules"]) == 1


async def test_sockets_are_cut_by_account(panel: Panel) -> None:
    await panel.ask("POST", "/advance")
    async with panel.venue.reports() as reports:
        told = await panel.ask("POST", "/disconnect", {"account": "bob"})
        assert told == {"disconnected": 0}
        told = await panel.ask("POST", "/disconnect", {"venue": "binance", "account": "alice"})
        assert told == {"disconnected": 1}
        with pytest.raises(Exception, match=r"stream|connection|closed"):
            await soon(reports)


async def test_requests_are_counted_by_who_asked_what_and_how_it_ended(panel: Panel) -> None:
    await panel.ask("POST", "/advance")
    await panel.venue.place_batch([buy(panel, A, 990), buy(panel, B, 980)])  # type: ignore[arg-type]
    await panel.place("q12345678b0000000030000000zz", 970)
    await panel.ask("PUT", "/faults", [{"method": "rest.balances", "kind": "unavailable"}])
    with pytest.raises(Exception, match="overloaded"):
        await panel.venue.balances()
    told = await panel.ask("GET", "/requests?account=alice&method=rest.place*&window_seconds=3600")
    counts = {(each["method"], each["status"]): each for each in told["counts"]}
    assert counts["rest.place_batch", 200]["orders"] == 2
    assert counts["rest.place", 200]["requests"] == 1
    assert (told["requests"], told["orders"]) == (2, 3)
    assert told["most_requests"]["count"] == 2
    assert told["most_orders"]["count"] == 3
    told = await panel.ask("GET", "/requests?venue=binance&status=503")
    assert [each["method"] for each in told["counts"]] == ["rest.balances"]
    await panel.ask("DELETE", "/requests")
    assert (await panel.ask("GET", "/requests"))["counts"] == []


# ---- books


async def test_books_and_accounts_are_the_exchanges_own(panel: Panel) -> None:
    await panel.ask("POST", "/advance")
    await panel.place(A, 990)
    await panel.place(B, 980)
    await panel.ask("POST", "/advance", {"events": 2})
    book = await panel.ask("GET", f"/books?symbol={PERP}&levels=3")
    assert book["bids"] == [["989.9", "1000.000"], ["980.0", "0.010"]]
    orders = (await panel.ask("GET", f"/orders?account=alice&symbol={PERP}"))["orders"]
    assert {each["client_id"]: each["status"] for each in orders} == {A: "filled", B: "open"}
    open_ones = (await panel.ask("GET", "/orders?account=alice&open=true"))["orders"]
    assert [(each["client_id"], each["price"], each["quantity"]) for each in open_ones] == [
        (B, "980.0", "0.010")
    ]
    fills = (await panel.ask("GET", "/fills?account=alice"))["fills"]
    assert [(each["price"], each["quantity"], each["maker"]) for each in fills] == [
        ("990.0", "0.004", True),
        ("990.0", "0.006", True),
    ]
    (position,) = (await panel.ask("GET", "/positions?account=alice"))["positions"]
    assert (position["symbol"], position["quantity"]) == (PERP, "0.010")
    balances = (await panel.ask("GET", "/balances?account=alice"))["balances"]
    assert {each["asset"] for each in balances} == set(BALANCES)


async def test_any_account_has_keys(panel: Panel) -> None:
    told = await panel.ask("GET", "/keys?account=carol")
    keys = local_keys("carol")
    assert told == {
        "apiKey": keys.key,
        "secret": keys.secret,
        "password": keys.passphrase,
        "uid": keys.uid,
    }


# ---- what is refused


REFUSED: Sequence[tuple[str, str, Any, str, Any]] = (
    ("POST", "/advance", {"events": 0}, "events", 0),
    ("POST", "/advance", {"event": 1}, "event", 1),
    ("POST", "/advance", {"symbol": "DOGE", "low": 1}, "symbol", "DOGE"),
    ("POST", "/advance", {"symbol": PERP, "low": "0.07"}, "low", "0.07"),
    ("POST", "/advance", {"low": "5"}, "symbol", None),
    ("POST", "/funding", {"symbol": SPOT.symbol, "rate": 0}, "symbol", SPOT.symbol),
    ("POST", "/funding", {"symbol": PERP, "rate": "2"}, "rate", "2"),
    ("POST", "/funding", {"rate": "0.1"}, "symbol", None),
    ("PUT", "/clock", {"speed": -1}, "speed", -1),
    ("PUT", "/clock", {"paused": "perhaps"}, "paused", "perhaps"),
    ("POST", "/disconnect", {"venue": "mtgox"}, "venue", "mtgox"),
    ("GET", "/books?symbol=DOGE", None, "symbol", "DOGE"),
    ("GET", f"/books?symbol={PERP}&levels=0", None, "levels", "0"),
    ("GET", "/orders?account=nobody", None, "account", "nobody"),
    ("GET", "/keys?account=", None, "account", ""),
    ("GET", "/requests?window_seconds=0", None, "window_seconds", "0"),
)


async def test_what_cannot_be_meant_names_the_field_its_value_and_the_fix(panel: Panel) -> None:
    for method, path, body, field, value in REFUSED:
        error = await panel.refused(method, path, body)
        assert (error["field"], error["value"]) == (field, value)


async def test_an_unknown_endpoint_says_where_they_are_listed(panel: Panel) -> None:
    error = await panel.refused("GET", "/weather", status=404)
    assert error["value"] == "GET /weather"
    assert (await panel.refused("DELETE", "/clock", status=405))["field"] == "endpoint"


async def test_text_that_is_no_json_is_refused(panel: Panel) -> None:
    async with panel.http.post(f"{panel.exchange.control}/advance", data="{events") as reply:
        assert reply.status == 400
        assert (await reply.json())["error"]["value"] == "{events"


async def test_without_fronts_there_is_nothing_to_count_or_to_cut(tmp_path: Path) -> None:
    source = Markets(events(MarketKind.SPOT))
    async with (
        running(settings(tmp_path, fronts=()), source) as exchange,
        aiohttp.ClientSession() as http,
    ):
        for method, path, body in (
            ("GET", "/requests", None),
            ("POST", "/disconnect", {}),
            ("PUT", "/clock", {"ahead_seconds": 1}),
        ):
            async with http.request(method, f"{exchange.control}{path}", json=body) as reply:
                assert "--fronts" in (await reply.json())["error"]["fix"]


async def test_a_port_that_is_taken_is_one_clear_message(tmp_path: Path) -> None:
    source = Markets(events(MarketKind.SPOT))
    async with running(settings(tmp_path / "one", fronts=()), source) as exchange:
        assert exchange.control is not None
        taken = exchange.control.removeprefix("http://")
        with pytest.raises(AlreadyRunningError, match="choose another --control"):
            async with running(settings(tmp_path / "two", fronts=(), control=taken), source):
                pass


@pytest.mark.parametrize("where", ["0.0.0.0:8088", "192.168.1.5:1", "nowhere"])
def test_it_listens_on_this_machine_alone(where: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="was " + where):
        settings(tmp_path, control=where)
