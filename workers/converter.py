"""Payloads as JSON by pydantic, with what was learned of a type shared by all runs of a process.

Temporal makes a converter for each workflow it keeps, and pydantic's keeps an adapter for each type
it meets: a run would spend half a megabyte and a tenth of a second on what every other has too.
"""

from typing import Final

from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import CompositePayloadConverter, DataConverter

_SHARED: Final = PydanticPayloadConverter()


class SharedPayloadConverter(CompositePayloadConverter):
    """The converters of one `PydanticPayloadConverter`, which have no state but their cache."""

    def __init__(self) -> None:
        super().__init__(*_SHARED.converters.values())


#: The same JSON as `temporalio.contrib.pydantic.pydantic_data_converter`.
DATA_CONVERTER: Final = DataConverter(payload_converter_class=SharedPayloadConverter)
