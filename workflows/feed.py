"""The one owner of an account's streams: a workflow that keeps one streaming activity alive."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows import names


@workflow.defn(name=names.FEED_RUN)
class FeedRun:
    """Runs for as long as the account is worked; a stream that dies is started again elsewhere."""

    @workflow.run
    async def run(self, account: str) -> None:
        """Stream until canceled. A missed heartbeat moves the stream to another worker."""
        workflow.set_current_details(f"Streams of account `{account}`.")
        await workflow.execute_activity(
            "stream",
            account,
            start_to_close_timeout=timedelta(days=365),
            heartbeat_timeout=timedelta(seconds=2),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=50), maximum_interval=timedelta(seconds=2)
            ),
            summary=f"streams of {account}",
        )
