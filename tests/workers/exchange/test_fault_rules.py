"""Fault rules of the fronts: which fit, and what each of them strikes."""

import pytest
from pydantic import ValidationError

from workers.exchange.faults import FaultKind, FaultPlan, FaultRule


def test_a_rule_for_any_request_counts_requests_of_all_kinds() -> None:
    plan = FaultPlan([FaultRule(method="rest.*", kind=FaultKind.HTML, every=3)])
    asked = ["rest.place", "rest.order", "rest.cancel", "stream.private", "rest.time", "rest.fills"]
    struck = [bool(plan.strike(method, [])) for method in asked]
    assert struck == [False, False, True, False, False, False]
    assert plan.strike("rest.place", [])


def test_a_batch_counts_as_often_as_it_has_orders() -> None:
    plan = FaultPlan([FaultRule(method="rest.place*", kind=FaultKind.LOST_ANSWER, every=5)])
    batches = [["a", "b", "c"], ["d"], ["e", "f"], ["g", "h", "i", "i"], ["j"]]
    methods = ["rest.place_batch" if len(ids) > 1 else "rest.place" for ids in batches]
    struck = [bool(plan.strike(m, ids)) for m, ids in zip(methods, batches, strict=True)]
    assert struck == [False, False, True, False, True]


@pytest.mark.parametrize("method", ["*", "rest.plaice*", "stream.*"])
def test_a_pattern_must_mean_something(method: str) -> None:
    with pytest.raises(ValidationError, match=r"cannot happen|must be one of"):
        FaultRule(method=method, kind=FaultKind.LOST_ANSWER)


@pytest.mark.parametrize("kind", ["unavailable", "server_error", "html", "drop_connection"])
def test_a_handshake_may_be_refused(kind: str) -> None:
    rule = FaultRule(method="stream.open", kind=FaultKind(kind))
    assert FaultPlan([rule]).strike("stream.open", []) == [rule]


@pytest.mark.parametrize("kind", ["lost_answer", "revoke_key", "drop_stream", "refuse"])
def test_other_things_cannot_happen_to_a_handshake(kind: str) -> None:
    with pytest.raises(ValidationError, match=r"cannot happen to stream\.open|happens to rest"):
        FaultRule(method="stream.open", kind=FaultKind(kind))


def test_a_key_is_revoked_at_fronts_only() -> None:
    with pytest.raises(ValidationError, match="happens to fronts only"):
        FaultRule(method="PlaceOrder", kind=FaultKind.REVOKE_KEY)
