"""The list of faults against the tests and the rules: what is promised is tested."""

import re
from pathlib import Path

import yaml

from tests.contract import test_grids_through_faults as tests
from workers.exchange.faults import FaultKind, FaultRule, Operation, read_faults

DOCUMENT = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()


def named(pattern: str) -> set[str]:
    return set(re.findall(pattern, DOCUMENT))


def test_every_fault_of_the_list_has_its_tests_and_every_test_is_in_it() -> None:
    written = {name for name in vars(tests) if name.startswith("test_")}
    durable = {"test_a_durable_grid_trades_on_while_every_third_request_is_one_too_many"}
    assert named(r"`(test_\w+)`") == written - durable


def test_every_kind_of_fault_every_operation_and_every_field_is_described() -> None:
    words = named(r"`([a-z_]+)`")
    assert {kind.value for kind in FaultKind} <= words
    assert {operation.value for operation in Operation} <= words
    assert set(FaultRule.model_fields) - {"delay"} | {"delay_seconds"} <= words


def test_the_rules_that_are_shown_can_be_read(tmp_path: Path) -> None:
    (shown,) = re.findall(r"^```yaml\n(.*?)^```", DOCUMENT, re.DOTALL | re.MULTILINE)
    (tmp_path / "faults.yaml").write_text(shown)
    assert len(read_faults(tmp_path / "faults.yaml")) == len(yaml.safe_load(shown)) == 3
