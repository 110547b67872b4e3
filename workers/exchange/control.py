"""The PaperControlService: the market's clock and the scripted faults."""

# ruff: noqa: N802, ARG002 - the names and arguments of methods are those of gRPC

from typing import Any, Final

from pydantic import ValidationError

from activities.venues.wire import (
    REASON,
    EnumCodec,
    decimal_in,
    optional_price_in,
    to_decimal,
    to_time,
)
from domain.errors import InvalidValueError
from opensqt.market_maker.v1 import paper_pb2, paper_pb2_grpc
from workers.exchange.faults import FaultKind, FaultPlan, FaultRule
from workers.exchange.host import Band, Host, Stopped
from workers.exchange.service import answered

FAULT_KIND: Final = EnumCodec(FaultKind, "FAULT_KIND", paper_pb2.FaultKind)
STOPPED: Final = EnumCodec(Stopped, "STOP_REASON", paper_pb2.StopReason)


class PaperControl(paper_pb2_grpc.PaperControlServiceServicer):
    """Control of one host and its faults."""

    def __init__(self, host: Host, faults: FaultPlan) -> None:
        self.host = host
        self._faults = faults

    @answered
    def GetStatus(self, request: Any, context: Any) -> paper_pb2.PaperStatus:
        return self._status()

    @answered
    def SetSpeed(self, request: Any, context: Any) -> paper_pb2.PaperStatus:
        self._require_own_time()
        self.host.clock.set_speed(decimal_in(request, "speed"))
        return self._status()

    @answered
    def Pause(self, request: Any, context: Any) -> paper_pb2.PaperStatus:
        self._require_own_time()
        self.host.clock.pause()
        return self._status()

    @answered
    def Resume(self, request: Any, context: Any) -> paper_pb2.PaperStatus:
        self._require_own_time()
        self.host.clock.resume()
        return self._status()

    @answered
    def Advance(self, request: Any, context: Any) -> paper_pb2.AdvanceResponse:
        self._require_own_time()
        if not 1 <= request.max_events <= 1_000_000:
            raise InvalidValueError(f"max_events must be in 1 .. 1000000, was {request.max_events}")
        until = request.until
        released, reason = self.host.advance(
            request.max_events, until_report=until.report, band=self._band(until)
        )
        return paper_pb2.AdvanceResponse(
            released=released, reason=STOPPED.to_wire(reason), status=self._status()
        )

    @answered
    def SetFaults(self, request: Any, context: Any) -> paper_pb2.SetFaultsResponse:
        self._faults.set([_rule(each) for each in request.rules])
        return paper_pb2.SetFaultsResponse()

    def _require_own_time(self) -> None:
        if self.host.live:
            raise InvalidValueError("the market is followed live: nobody can steer its time")

    def _band(self, until: paper_pb2.Until) -> Band | None:
        if not until.symbol:
            return None
        instrument = self.host.instrument(until.symbol)
        return Band(
            until.symbol,
            optional_price_in(instrument, until, "low"),
            optional_price_in(instrument, until, "high"),
        )

    def _status(self) -> paper_pb2.PaperStatus:
        exhausted = self.host.next_at is None and not self.host.live
        return paper_pb2.PaperStatus(
            position=self.host.position,
            market_time=to_time(self.host.exchange.now),
            speed=to_decimal(self.host.clock.speed),
            running=self.host.clock.moving and not exhausted,
            exhausted=exhausted,
            symbols=self.host.symbols,
        )


def _rule(message: paper_pb2.FaultRule) -> FaultRule:
    kind = FAULT_KIND.from_wire(message.kind, "FaultRule.kind")
    written: dict[str, Any] = {
        "method": message.method,
        "kind": kind,
        "every": message.every or 1,
        "count": message.count or None,
        "client_id": message.client_id or "*",
        "delay": message.delay.ToTimedelta(),
    }
    if message.reason:
        written["reason"] = REASON.from_wire(message.reason, "FaultRule.reason")
    try:
        return FaultRule.model_validate(written)
    except ValidationError as error:
        raise InvalidValueError(f"FaultRule: {error}") from error
