"""What Temporal tells of a workflow."""

from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode


async def described(client: Client, workflow_id: str) -> WorkflowExecutionDescription | None:
    """Return how a workflow is; None: there is none, or it ended so long ago that it is forgotten.

    Raises an RPCError if Temporal does not answer.
    """
    try:
        return await client.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
