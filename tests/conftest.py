"""What all tests share: hypothesis profiles and the recorded market data beside the project."""

import gc
import os
import signal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell's background job ignores it, and so would every process that a test interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)

_SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

settings.register_profile(
    "ci", deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", settings.get_profile("ci"), max_examples=600)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def pytest_collection_finish() -> None:
    """Let no garbage collection walk what was collected, for it stays as long as the process.

    There are half a million objects, which stop everything for a third of a second or more, again
    and again.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of recorded market data, or skip: it is no part of the project."""
    if not _SHARED_DATA.is_dir():
        pytest.skip("the recorded market data is not there: ../shared/data beside the project")
    return _SHARED_DATA
