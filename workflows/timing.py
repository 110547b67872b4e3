"""Time limits and retries that workflows, and those who start them, have in common."""

from datetime import timedelta
from typing import Final

from temporalio.common import RetryPolicy

#: A workflow task that a dead worker holds is given to another one after this long, and so are the
#: local activities in it.
TASK_TIMEOUT: Final = timedelta(seconds=3)
#: Try again, for as long as it takes.
SOON: Final = RetryPolicy(
    initial_interval=timedelta(milliseconds=100), maximum_interval=timedelta(seconds=5)
)
#: No call of one venue or of the ledger takes longer.
CALL: Final = timedelta(seconds=30)
#: A call whose worker was killed is made again by another one after this long.
BEAT: Final = timedelta(seconds=2)
