"""The way of alerts to people: a workflow that keeps one delivering activity alive."""

from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from workflows import names


@workflow.defn(name=names.ALERT_RUN)
class AlertRun:
    """Runs for as long as the deployment; a delivery that dies is started again elsewhere."""

    @workflow.run
    async def run(self) -> None:
        """Deliver until canceled. A missed heartbeat moves the delivery to another worker."""
        workflow.set_current_details("Brings alerts of the ledger to the channels of the settings.")
        await workflow.execute_activity(
            "deliver",
            start_to_close_timeout=timedelta(days=365),
            heartbeat_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(
                initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=5)
            ),
            summary="deliver alerts",
        )
