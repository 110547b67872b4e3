"""`opensqt alerts test`: a message to each channel, and what came of it."""

import asyncio
from dataclasses import dataclass

import click
from rich.text import Text

from activities.clock import utc_now
from activities.delivery import Channel, ChannelError
from activities.store.records import StoredAlert
from domain.grid.events import AlertLevel
from workers.alerting import channels_of
from workers.cli.failures import BadInputError, Exit
from workers.cli.options import with_settings
from workers.cli.output import console, put_json
from workers.cli.runs import operator
from workers.cli.tables import plain_table
from workers.settings import Settings


@dataclass(frozen=True, slots=True)
class Answer:
    """What a channel said to the message; empty `error`: it took it."""

    channel: str
    taken: bool
    error: str


@click.command(epilog="Example: opensqt alerts test --json")
@with_settings
async def test(*, settings: Settings, as_json: bool) -> None:
    """Send a message to each channel at once, and tell what each answered; fails if one did not.

    It goes past the outbox, whatever level a channel is for.
    """
    channels = channels_of(settings)
    if not channels:
        raise BadInputError(
            "there is no alert channel: put an address into a file of mode 600, and set "
            "OPENSQT_ALERTS__NAME__URL_FILE to its path"
        )
    answers = await asyncio.gather(*map(_asked, channels))
    if as_json:
        put_json({"channels": answers})
    else:
        table = plain_table("channel", "answer")
        for each in answers:
            said = Text("taken", style="green") if each.taken else Text(each.error, style="red")
            table.add_row(each.channel, said)
        console().print(table)
    if not all(each.taken for each in answers):
        raise click.exceptions.Exit(Exit.FAILED)


async def _asked(channel: Channel) -> Answer:
    message = f"a test message, asked for by {operator()}"
    alert = StoredAlert(0, utc_now(), AlertLevel.INFO, "test", message, {}, 1, 0, None, {})
    try:
        await channel.send(alert)
    except ChannelError as error:
        return Answer(channel.name, taken=False, error=str(error))
    return Answer(channel.name, taken=True, error="")
