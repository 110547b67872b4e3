"""A Temporal worker that ends when it is told to."""

import asyncio
import logging
from datetime import timedelta
from typing import Any, Final

from temporalio.client import Client
from temporalio.worker import Worker

#: Activities are canceled after this long, and then have as long again and more.
_GRACE: Final = timedelta(seconds=3)
_ENDS_WITHIN: Final = timedelta(seconds=15)
_log: Final = logging.getLogger(__name__)


class EndingWorker(Worker):
    """The SDK's worker, which is waited for only so long.

    Once in some fifty ends a poll of the SDK (1.35) panics while it shuts down ("receive half not
    dropped"), and it waits for itself for ever. What it was doing is done by the next worker: that
    is what a worker's death comes to, too.
    """

    def __init__(
        self, client: Client, *, ends_within: timedelta = _ENDS_WITHIN, **options: Any
    ) -> None:
        super().__init__(
            client,
            graceful_shutdown_timeout=_GRACE,
            plugin_shutdown_timeout=timedelta(seconds=1),  # there are none to wait for
            **options,
        )
        self._ends_within = ends_within

    async def shutdown(self) -> None:
        """Tell the worker to end, and return when it has, or does not."""
        try:
            async with asyncio.timeout(self._ends_within.total_seconds()):
                await super().shutdown()
        except TimeoutError:
            _log.error(
                "the worker of %s has not ended %.0f s after it was told to, and is left",
                self.task_queue,
                self._ends_within.total_seconds(),
            )
