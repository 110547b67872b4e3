import datetime

from google.protobuf import duration_pb2 as _duration_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from opensqt.market_maker.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class StopReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    STOP_REASON_UNSPECIFIED: _ClassVar[StopReason]
    STOP_REASON_COUNT: _ClassVar[StopReason]
    STOP_REASON_REPORT: _ClassVar[StopReason]
    STOP_REASON_PRICE: _ClassVar[StopReason]
    STOP_REASON_EXHAUSTED: _ClassVar[StopReason]

class FaultKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FAULT_KIND_UNSPECIFIED: _ClassVar[FaultKind]
    FAULT_KIND_LOST_ANSWER: _ClassVar[FaultKind]
    FAULT_KIND_NO_ANSWER: _ClassVar[FaultKind]
    FAULT_KIND_DELAY_BEFORE: _ClassVar[FaultKind]
    FAULT_KIND_DELAY_AFTER: _ClassVar[FaultKind]
    FAULT_KIND_REFUSE: _ClassVar[FaultKind]
    FAULT_KIND_RATE_LIMIT: _ClassVar[FaultKind]
    FAULT_KIND_UNAVAILABLE: _ClassVar[FaultKind]
    FAULT_KIND_DUPLICATE_REPORT: _ClassVar[FaultKind]
    FAULT_KIND_REORDER_REPORT: _ClassVar[FaultKind]
    FAULT_KIND_DROP_STREAM: _ClassVar[FaultKind]
    FAULT_KIND_BANNED: _ClassVar[FaultKind]
    FAULT_KIND_SERVER_ERROR: _ClassVar[FaultKind]
    FAULT_KIND_HTML: _ClassVar[FaultKind]
    FAULT_KIND_DROP_CONNECTION: _ClassVar[FaultKind]
    FAULT_KIND_SKEW_CLOCK: _ClassVar[FaultKind]
    FAULT_KIND_DROP_REPORT: _ClassVar[FaultKind]
    FAULT_KIND_FREEZE_STREAM: _ClassVar[FaultKind]
    FAULT_KIND_REVOKE_KEY: _ClassVar[FaultKind]
STOP_REASON_UNSPECIFIED: StopReason
STOP_REASON_COUNT: StopReason
STOP_REASON_REPORT: StopReason
STOP_REASON_PRICE: StopReason
STOP_REASON_EXHAUSTED: StopReason
FAULT_KIND_UNSPECIFIED: FaultKind
FAULT_KIND_LOST_ANSWER: FaultKind
FAULT_KIND_NO_ANSWER: FaultKind
FAULT_KIND_DELAY_BEFORE: FaultKind
FAULT_KIND_DELAY_AFTER: FaultKind
FAULT_KIND_REFUSE: FaultKind
FAULT_KIND_RATE_LIMIT: FaultKind
FAULT_KIND_UNAVAILABLE: FaultKind
FAULT_KIND_DUPLICATE_REPORT: FaultKind
FAULT_KIND_REORDER_REPORT: FaultKind
FAULT_KIND_DROP_STREAM: FaultKind
FAULT_KIND_BANNED: FaultKind
FAULT_KIND_SERVER_ERROR: FaultKind
FAULT_KIND_HTML: FaultKind
FAULT_KIND_DROP_CONNECTION: FaultKind
FAULT_KIND_SKEW_CLOCK: FaultKind
FAULT_KIND_DROP_REPORT: FaultKind
FAULT_KIND_FREEZE_STREAM: FaultKind
FAULT_KIND_REVOKE_KEY: FaultKind

class GetStatusRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PauseRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ResumeRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class PaperStatus(_message.Message):
    __slots__ = ("position", "market_time", "speed", "running", "exhausted", "symbols")
    POSITION_FIELD_NUMBER: _ClassVar[int]
    MARKET_TIME_FIELD_NUMBER: _ClassVar[int]
    SPEED_FIELD_NUMBER: _ClassVar[int]
    RUNNING_FIELD_NUMBER: _ClassVar[int]
    EXHAUSTED_FIELD_NUMBER: _ClassVar[int]
    SYMBOLS_FIELD_NUMBER: _ClassVar[int]
    position: int
    market_time: _timestamp_pb2.Timestamp
    speed: _types_pb2.Decimal
    running: bool
    exhausted: bool
    symbols: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, position: _Optional[int] = ..., market_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., speed: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., running: _Optional[bool] = ..., exhausted: _Optional[bool] = ..., symbols: _Optional[_Iterable[str]] = ...) -> None: ...

class SetSpeedRequest(_message.Message):
    __slots__ = ("speed",)
    SPEED_FIELD_NUMBER: _ClassVar[int]
    speed: _types_pb2.Decimal
    def __init__(self, speed: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ...) -> None: ...

class Until(_message.Message):
    __slots__ = ("report", "symbol", "low", "high")
    REPORT_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    report: bool
    symbol: str
    low: _types_pb2.Decimal
    high: _types_pb2.Decimal
    def __init__(self, report: _Optional[bool] = ..., symbol: _Optional[str] = ..., low: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., high: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ...) -> None: ...

class AdvanceRequest(_message.Message):
    __slots__ = ("max_events", "until")
    MAX_EVENTS_FIELD_NUMBER: _ClassVar[int]
    UNTIL_FIELD_NUMBER: _ClassVar[int]
    max_events: int
    until: Until
    def __init__(self, max_events: _Optional[int] = ..., until: _Optional[_Union[Until, _Mapping]] = ...) -> None: ...

class AdvanceResponse(_message.Message):
    __slots__ = ("released", "reason", "status")
    RELEASED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    released: int
    reason: StopReason
    status: PaperStatus
    def __init__(self, released: _Optional[int] = ..., reason: _Optional[_Union[StopReason, str]] = ..., status: _Optional[_Union[PaperStatus, _Mapping]] = ...) -> None: ...

class FaultRule(_message.Message):
    __slots__ = ("method", "kind", "every", "count", "client_id", "delay", "reason")
    METHOD_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    EVERY_FIELD_NUMBER: _ClassVar[int]
    COUNT_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ID_FIELD_NUMBER: _ClassVar[int]
    DELAY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    method: str
    kind: FaultKind
    every: int
    count: int
    client_id: str
    delay: _duration_pb2.Duration
    reason: _types_pb2.RefusalReason
    def __init__(self, method: _Optional[str] = ..., kind: _Optional[_Union[FaultKind, str]] = ..., every: _Optional[int] = ..., count: _Optional[int] = ..., client_id: _Optional[str] = ..., delay: _Optional[_Union[datetime.timedelta, _duration_pb2.Duration, _Mapping]] = ..., reason: _Optional[_Union[_types_pb2.RefusalReason, str]] = ...) -> None: ...

class SetFaultsRequest(_message.Message):
    __slots__ = ("rules",)
    RULES_FIELD_NUMBER: _ClassVar[int]
    rules: _containers.RepeatedCompositeFieldContainer[FaultRule]
    def __init__(self, rules: _Optional[_Iterable[_Union[FaultRule, _Mapping]]] = ...) -> None: ...

class SetFaultsResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...
