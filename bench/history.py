"""How many events a run has written into its history, over all workflows of its chain."""

from collections import Counter

from temporalio.api.enums.v1 import EventType
from temporalio.client import Client

from activities.messages import FeedBatch


async def written(client: Client, workflow_id: str, first_run: str) -> Counter[str]:
    """Return the events of the chain that began with *first_run*, by type; signals by content."""
    counted: Counter[str] = Counter()
    run: str | None = first_run
    while run:
        handle = client.get_workflow_handle(workflow_id, run_id=run)
        run = None
        async for event in handle.fetch_history_events():
            name = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()
            counted[name] += 1
            if name == "workflow_execution_signaled":
                payloads = event.workflow_execution_signaled_event_attributes.input.payloads
                (batch,) = await client.data_converter.decode(payloads, [FeedBatch])
                counted["signal: " + "+".join(sorted(each.kind for each in batch.events))] += 1
            elif name == "workflow_execution_continued_as_new":
                attributes = event.workflow_execution_continued_as_new_event_attributes
                run = attributes.new_execution_run_id
    return counted


def events(counted: Counter[str]) -> int:
    """Return how many events those are."""
    return sum(count for name, count in counted.items() if not name.startswith("signal: "))
