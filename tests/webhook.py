"""A webhook of people, on a port of this machine: it keeps what it was told, and fails as told."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

#: What stands in the address and must be seen nowhere else.
TOKEN = "s3cret-token-0123456789"


@dataclass
class Webhook:
    """`statuses` are its next answers, then it takes everything; while `mute` it gives none."""

    statuses: list[int] = field(default_factory=list)
    mute: bool = False
    heard: list[dict[str, Any]] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/{TOKEN}"

    def messages(self) -> Sequence[str]:
        """Return the first line of each message that was taken."""
        return [each["message"].split("\n")[0] for each in self.taken]

    async def answer(self, request: web.Request) -> web.Response:
        assert request.path == f"/{TOKEN}"
        message = await request.json()
        self.heard.append(message)
        if self.mute:
            await asyncio.Event().wait()
        status = self.statuses.pop(0) if self.statuses else 200
        if status < 300:
            self.taken.append(message)
        return web.Response(status=status)


@asynccontextmanager
async def webhook(*statuses: int) -> AsyncIterator[Webhook]:
    """Serve a webhook on a free port."""
    hook = Webhook(list(statuses))
    application = web.Application()
    application.router.add_post("/{path:.*}", hook.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    hook.port = runner.addresses[0][1]
    try:
        yield hook
    finally:
        await runner.cleanup()
