import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from opensqt.market_maker.v1 import resources_pb2 as _resources_pb2
from opensqt.market_maker.v1 import types_pb2 as _types_pb2
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class Subscribed(_message.Message):
    __slots__ = ("last_sequence",)
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    last_sequence: int
    def __init__(self, last_sequence: _Optional[int] = ...) -> None: ...

class OrderUpdate(_message.Message):
    __slots__ = ("sequence", "order")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    ORDER_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    order: _resources_pb2.Order
    def __init__(self, sequence: _Optional[int] = ..., order: _Optional[_Union[_resources_pb2.Order, _Mapping]] = ...) -> None: ...

class PriceChange(_message.Message):
    __slots__ = ("symbol", "price", "bid", "ask", "changed_at")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    BID_FIELD_NUMBER: _ClassVar[int]
    ASK_FIELD_NUMBER: _ClassVar[int]
    CHANGED_AT_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    price: _types_pb2.Decimal
    bid: _types_pb2.Decimal
    ask: _types_pb2.Decimal
    changed_at: _timestamp_pb2.Timestamp
    def __init__(self, symbol: _Optional[str] = ..., price: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., bid: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., ask: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., changed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class OrderEvent(_message.Message):
    __slots__ = ("subscribed", "update")
    SUBSCRIBED_FIELD_NUMBER: _ClassVar[int]
    UPDATE_FIELD_NUMBER: _ClassVar[int]
    subscribed: Subscribed
    update: OrderUpdate
    def __init__(self, subscribed: _Optional[_Union[Subscribed, _Mapping]] = ..., update: _Optional[_Union[OrderUpdate, _Mapping]] = ...) -> None: ...

class PriceEvent(_message.Message):
    __slots__ = ("subscribed", "change")
    SUBSCRIBED_FIELD_NUMBER: _ClassVar[int]
    CHANGE_FIELD_NUMBER: _ClassVar[int]
    subscribed: Subscribed
    change: PriceChange
    def __init__(self, subscribed: _Optional[_Union[Subscribed, _Mapping]] = ..., change: _Optional[_Union[PriceChange, _Mapping]] = ...) -> None: ...

class CandleEvent(_message.Message):
    __slots__ = ("subscribed", "candle")
    SUBSCRIBED_FIELD_NUMBER: _ClassVar[int]
    CANDLE_FIELD_NUMBER: _ClassVar[int]
    subscribed: Subscribed
    candle: _resources_pb2.Candle
    def __init__(self, subscribed: _Optional[_Union[Subscribed, _Mapping]] = ..., candle: _Optional[_Union[_resources_pb2.Candle, _Mapping]] = ...) -> None: ...

class PositionEvent(_message.Message):
    __slots__ = ("subscribed", "position")
    SUBSCRIBED_FIELD_NUMBER: _ClassVar[int]
    POSITION_FIELD_NUMBER: _ClassVar[int]
    subscribed: Subscribed
    position: _resources_pb2.Position
    def __init__(self, subscribed: _Optional[_Union[Subscribed, _Mapping]] = ..., position: _Optional[_Union[_resources_pb2.Position, _Mapping]] = ...) -> None: ...
