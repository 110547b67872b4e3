"""The bare minimum of a durable turn: one signal, one local activity, and an order."""

import asyncio
from datetime import timedelta

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from bench.rig import Arrivals

QUEUE = "bare"


@workflow.defn(name="Bare")
class Bare:
    """Places the order that each signal names."""

    def __init__(self) -> None:
        self._inbox: list[str] = []
        self._over = False

    @workflow.run
    async def run(self) -> None:
        while not self._over:
            await workflow.wait_condition(lambda: bool(self._inbox) or self._over)
            while self._inbox:
                await workflow.execute_local_activity(
                    "place", self._inbox.pop(0), start_to_close_timeout=timedelta(seconds=30)
                )

    @workflow.signal
    def fill(self, client_id: str) -> None:
        self._inbox.append(client_id)

    @workflow.signal
    def end(self) -> None:
        self._over = True


class BareActivities:
    """The venue of the bare path: an order arrives, and that is all."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals

    @activity.defn(name="place")
    async def place(self, client_id: str) -> None:
        self._arrivals.note(client_id)
        await asyncio.sleep(0)
