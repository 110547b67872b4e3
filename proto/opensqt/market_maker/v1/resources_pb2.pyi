import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from opensqt.market_maker.v1 import types_pb2 as _types_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SymbolInfo(_message.Message):
    __slots__ = ("symbol", "kind", "base_asset", "quote_asset", "tick_size", "step_size", "min_quantity", "min_notional", "maker_fee", "taker_fee", "contract_size")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    BASE_ASSET_FIELD_NUMBER: _ClassVar[int]
    QUOTE_ASSET_FIELD_NUMBER: _ClassVar[int]
    TICK_SIZE_FIELD_NUMBER: _ClassVar[int]
    STEP_SIZE_FIELD_NUMBER: _ClassVar[int]
    MIN_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    MIN_NOTIONAL_FIELD_NUMBER: _ClassVar[int]
    MAKER_FEE_FIELD_NUMBER: _ClassVar[int]
    TAKER_FEE_FIELD_NUMBER: _ClassVar[int]
    CONTRACT_SIZE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    kind: _types_pb2.MarketKind
    base_asset: str
    quote_asset: str
    tick_size: _types_pb2.Decimal
    step_size: _types_pb2.Decimal
    min_quantity: _types_pb2.Decimal
    min_notional: _types_pb2.Decimal
    maker_fee: _types_pb2.Decimal
    taker_fee: _types_pb2.Decimal
    contract_size: _types_pb2.Decimal
    def __init__(self, symbol: _Optional[str] = ..., kind: _Optional[_Union[_types_pb2.MarketKind, str]] = ..., base_asset: _Optional[str] = ..., quote_asset: _Optional[str] = ..., tick_size: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., step_size: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., min_quantity: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., min_notional: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., maker_fee: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., taker_fee: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., contract_size: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ...) -> None: ...

class Fee(_message.Message):
    __slots__ = ("asset", "amount")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    asset: str
    amount: _types_pb2.Decimal
    def __init__(self, asset: _Optional[str] = ..., amount: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ...) -> None: ...

class Fill(_message.Message):
    __slots__ = ("fill_id", "client_order_id", "order_id", "symbol", "side", "price", "quantity", "fee", "maker", "filled_at")
    FILL_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    FEE_FIELD_NUMBER: _ClassVar[int]
    MAKER_FIELD_NUMBER: _ClassVar[int]
    FILLED_AT_FIELD_NUMBER: _ClassVar[int]
    fill_id: str
    client_order_id: str
    order_id: str
    symbol: str
    side: _types_pb2.OrderSide
    price: _types_pb2.Decimal
    quantity: _types_pb2.Decimal
    fee: Fee
    maker: bool
    filled_at: _timestamp_pb2.Timestamp
    def __init__(self, fill_id: _Optional[str] = ..., client_order_id: _Optional[str] = ..., order_id: _Optional[str] = ..., symbol: _Optional[str] = ..., side: _Optional[_Union[_types_pb2.OrderSide, str]] = ..., price: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., quantity: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., fee: _Optional[_Union[Fee, _Mapping]] = ..., maker: _Optional[bool] = ..., filled_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class Order(_message.Message):
    __slots__ = ("order_id", "client_order_id", "symbol", "side", "status", "price", "quantity", "executed_quantity", "executed_value", "fees", "reduce_only", "reason", "updated_at", "last_fill")
    ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SIDE_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    PRICE_FIELD_NUMBER: _ClassVar[int]
    QUANTITY_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_QUANTITY_FIELD_NUMBER: _ClassVar[int]
    EXECUTED_VALUE_FIELD_NUMBER: _ClassVar[int]
    FEES_FIELD_NUMBER: _ClassVar[int]
    REDUCE_ONLY_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    UPDATED_AT_FIELD_NUMBER: _ClassVar[int]
    LAST_FILL_FIELD_NUMBER: _ClassVar[int]
    order_id: str
    client_order_id: str
    symbol: str
    side: _types_pb2.OrderSide
    status: _types_pb2.OrderStatus
    price: _types_pb2.Decimal
    quantity: _types_pb2.Decimal
    executed_quantity: _types_pb2.Decimal
    executed_value: _types_pb2.Decimal
    fees: _containers.RepeatedCompositeFieldContainer[Fee]
    reduce_only: bool
    reason: _types_pb2.RefusalReason
    updated_at: _timestamp_pb2.Timestamp
    last_fill: Fill
    def __init__(self, order_id: _Optional[str] = ..., client_order_id: _Optional[str] = ..., symbol: _Optional[str] = ..., side: _Optional[_Union[_types_pb2.OrderSide, str]] = ..., status: _Optional[_Union[_types_pb2.OrderStatus, str]] = ..., price: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., quantity: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., executed_quantity: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., executed_value: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., fees: _Optional[_Iterable[_Union[Fee, _Mapping]]] = ..., reduce_only: _Optional[bool] = ..., reason: _Optional[_Union[_types_pb2.RefusalReason, str]] = ..., updated_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., last_fill: _Optional[_Union[Fill, _Mapping]] = ...) -> None: ...

class Refusal(_message.Message):
    __slots__ = ("client_order_id", "reason", "message", "best_price")
    CLIENT_ORDER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    BEST_PRICE_FIELD_NUMBER: _ClassVar[int]
    client_order_id: str
    reason: _types_pb2.RefusalReason
    message: str
    best_price: _types_pb2.Decimal
    def __init__(self, client_order_id: _Optional[str] = ..., reason: _Optional[_Union[_types_pb2.RefusalReason, str]] = ..., message: _Optional[str] = ..., best_price: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ...) -> None: ...

class Position(_message.Message):
    __slots__ = ("symbol", "size", "cost", "realized_pnl", "mark_price", "liquidation_price")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    COST_FIELD_NUMBER: _ClassVar[int]
    REALIZED_PNL_FIELD_NUMBER: _ClassVar[int]
    MARK_PRICE_FIELD_NUMBER: _ClassVar[int]
    LIQUIDATION_PRICE_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    size: _types_pb2.Decimal
    cost: _types_pb2.Decimal
    realized_pnl: _types_pb2.Decimal
    mark_price: _types_pb2.Decimal
    liquidation_price: _types_pb2.Decimal
    def __init__(self, symbol: _Optional[str] = ..., size: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., cost: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., realized_pnl: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., mark_price: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., liquidation_price: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ...) -> None: ...

class Balance(_message.Message):
    __slots__ = ("asset", "total", "locked")
    ASSET_FIELD_NUMBER: _ClassVar[int]
    TOTAL_FIELD_NUMBER: _ClassVar[int]
    LOCKED_FIELD_NUMBER: _ClassVar[int]
    asset: str
    total: _types_pb2.Decimal
    locked: _types_pb2.Decimal
    def __init__(self, asset: _Optional[str] = ..., total: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., locked: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ...) -> None: ...

class Account(_message.Message):
    __slots__ = ("balances", "positions", "leverage", "one_way", "time", "market_time")
    BALANCES_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    LEVERAGE_FIELD_NUMBER: _ClassVar[int]
    ONE_WAY_FIELD_NUMBER: _ClassVar[int]
    TIME_FIELD_NUMBER: _ClassVar[int]
    MARKET_TIME_FIELD_NUMBER: _ClassVar[int]
    balances: _containers.RepeatedCompositeFieldContainer[Balance]
    positions: _containers.RepeatedCompositeFieldContainer[Position]
    leverage: _types_pb2.Decimal
    one_way: bool
    time: _timestamp_pb2.Timestamp
    market_time: _timestamp_pb2.Timestamp
    def __init__(self, balances: _Optional[_Iterable[_Union[Balance, _Mapping]]] = ..., positions: _Optional[_Iterable[_Union[Position, _Mapping]]] = ..., leverage: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., one_way: _Optional[bool] = ..., time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., market_time: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FundingPayment(_message.Message):
    __slots__ = ("payment_id", "symbol", "amount", "paid_at")
    PAYMENT_ID_FIELD_NUMBER: _ClassVar[int]
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    AMOUNT_FIELD_NUMBER: _ClassVar[int]
    PAID_AT_FIELD_NUMBER: _ClassVar[int]
    payment_id: str
    symbol: str
    amount: _types_pb2.Decimal
    paid_at: _timestamp_pb2.Timestamp
    def __init__(self, payment_id: _Optional[str] = ..., symbol: _Optional[str] = ..., amount: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., paid_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class FundingRate(_message.Message):
    __slots__ = ("symbol", "rate", "at", "mark")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    RATE_FIELD_NUMBER: _ClassVar[int]
    AT_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    rate: _types_pb2.Decimal
    at: _timestamp_pb2.Timestamp
    mark: _types_pb2.Decimal
    def __init__(self, symbol: _Optional[str] = ..., rate: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., mark: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ...) -> None: ...

class Candle(_message.Message):
    __slots__ = ("symbol", "opened_at", "open", "high", "low", "close", "volume", "is_closed")
    SYMBOL_FIELD_NUMBER: _ClassVar[int]
    OPENED_AT_FIELD_NUMBER: _ClassVar[int]
    OPEN_FIELD_NUMBER: _ClassVar[int]
    HIGH_FIELD_NUMBER: _ClassVar[int]
    LOW_FIELD_NUMBER: _ClassVar[int]
    CLOSE_FIELD_NUMBER: _ClassVar[int]
    VOLUME_FIELD_NUMBER: _ClassVar[int]
    IS_CLOSED_FIELD_NUMBER: _ClassVar[int]
    symbol: str
    opened_at: _timestamp_pb2.Timestamp
    open: _types_pb2.Decimal
    high: _types_pb2.Decimal
    low: _types_pb2.Decimal
    close: _types_pb2.Decimal
    volume: _types_pb2.Decimal
    is_closed: bool
    def __init__(self, symbol: _Optional[str] = ..., opened_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., open: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., high: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., low: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., close: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., volume: _Optional[_Union[_types_pb2.Decimal, _Mapping]] = ..., is_closed: _Optional[bool] = ...) -> None: ...
