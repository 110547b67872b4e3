"""Which exchange an account opens: never a real one that nobody asked for."""

import pytest

from domain.errors import InvalidValueError
from workers.settings import AccountSettings, Settings
from workers.venues import open_venue


def settings(**account: object) -> Settings:
    return Settings(accounts={"main": AccountSettings.model_validate({**account})})


async def test_a_real_venue_is_not_opened_by_leaving_something_out() -> None:
    with pytest.raises(InvalidValueError, match="REAL=true to trade with real money"):
        async with open_venue(settings(venue="okx", key="k", secret="s"), "main"):
            pytest.fail("it was opened")


async def test_an_account_is_local_or_real() -> None:
    both = settings(venue="okx", key="k", secret="s", local="127.0.0.1:1", real=True)
    with pytest.raises(InvalidValueError, match="is one of them"):
        async with open_venue(both, "main"):
            pytest.fail("it was opened")


async def test_a_real_venue_needs_its_keys() -> None:
    with pytest.raises(InvalidValueError, match="needs its key: put it into a file of mode 600"):
        async with open_venue(settings(venue="okx", real=True), "main"):
            pytest.fail("it was opened")


def test_only_paper_follows_a_feed_and_only_that_of_a_venue() -> None:
    assert settings(feed="gate").account("main").feed == "gate"
    with pytest.raises(ValueError, match="must be one of binance"):
        settings(feed="nowhere")
    with pytest.raises(ValueError, match="feed belongs to venue=paper"):
        settings(venue="okx", feed="okx")
