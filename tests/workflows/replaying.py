"""A replayer of the same making as a worker."""

from temporalio.worker import Replayer, WorkflowRunner

from workers.converter import DATA_CONVERTER
from workers.wiring import workflow_runner


def replayer(kind: type, runner: WorkflowRunner | None = None) -> Replayer:
    """Return what replays workflows of class *kind*, in the workers' sandbox or by *runner*.

    It has no detection of deadlocks, which takes two seconds of a busy machine for one.
    """
    return Replayer(
        workflows=[kind],
        data_converter=DATA_CONVERTER,
        workflow_runner=runner or workflow_runner(),
        debug_mode=True,
    )
