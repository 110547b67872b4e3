"""The converter of our workers: the JSON of pydantic's, adapters for types made once."""

from temporalio.contrib.pydantic import (
    PydanticJSONPlainPayloadConverter,
    pydantic_data_converter,
)

from domain.grid.spec import parse_spec
from workers.converter import DATA_CONVERTER, SharedPayloadConverter, learn_messages
from workflows.messages import GridRunInput

_INPUT = GridRunInput(parse_spec({"symbol": "BTC/USDT", "interval": "30", "amount": "100"}))


def test_its_payloads_are_those_of_the_pydantic_converter() -> None:
    (ours,) = DATA_CONVERTER.payload_converter.to_payloads([_INPUT])
    (theirs,) = pydantic_data_converter.payload_converter.to_payloads([_INPUT])
    assert ours == theirs
    assert DATA_CONVERTER.payload_converter.from_payload(theirs, GridRunInput) == _INPUT


def test_what_one_run_learned_of_a_type_the_next_one_knows() -> None:
    one, other = SharedPayloadConverter(), SharedPayloadConverter()
    assert one is not other
    assert one.converters[b"json/plain"] is other.converters[b"json/plain"]


def test_a_worker_knows_all_messages_before_its_first_workflow() -> None:
    shared = SharedPayloadConverter().converters[b"json/plain"]
    assert isinstance(shared, PydanticJSONPlainPayloadConverter)
    learn_messages()
    known = shared._type_adapter.cache_info()
    (payload,) = DATA_CONVERTER.payload_converter.to_payloads([_INPUT])
    DATA_CONVERTER.payload_converter.from_payload(payload, GridRunInput)
    assert shared._type_adapter.cache_info().misses == known.misses
