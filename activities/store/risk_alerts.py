"""What of the risk events people should hear of, and how loudly. The one place that says so."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from activities.store.alerts import gist
from activities.store.records import NewAlert, RiskEvent
from domain.grid.events import AlertLevel

_Said = tuple[AlertLevel, str, str]
#: Where to look for a sentence in the details of an event.
_SENTENCES: Final = ("message", "why", "reason")


def alert_of(event: RiskEvent) -> NewAlert:
    """Return *event* as an alert. What is not known here is a warning, and never nothing."""
    say = _SAY.get(event.kind.split(" ")[0], _other)
    level, key, message = say(event)
    numbers = _numbers(event.detail) if "cause" in event.detail else _values(event)
    fields = {"account": event.account, "run": event.run_id or "", **numbers}
    told = {name: value for name, value in fields.items() if value}
    return NewAlert(event.at, level, key, message, told)


def _breaker(event: RiskEvent) -> _Said:
    detail = event.detail
    scope = " ".join(filter(None, (detail["scope"]["kind"], detail["scope"]["name"])))
    phase = str(detail["after"])
    level = AlertLevel.CRITICAL if phase == "open" else AlertLevel.INFO
    words = f"the breaker of {scope} is {phase.replace('_', '-')}, by {detail['who']}"
    return level, f"breaker {scope}", f"{words}: {detail['reason']}"


def _monitor(event: RiskEvent) -> _Said:
    detail = event.detail
    if event.kind == "monitor reset":
        words = f"the storm of the market monitor was ended by {detail['who']}: {detail['why']}"
        return AlertLevel.INFO, "monitor", words
    if not detail["halted"]:
        return AlertLevel.INFO, "monitor", f"the market monitor clears openings: {detail['why']}"
    level = AlertLevel.CRITICAL if detail["storm"] else AlertLevel.ERROR
    return level, "monitor", f"the market monitor halts openings: {detail['why']}"


def _exit(event: RiskEvent) -> _Said:
    level = AlertLevel.WARNING if event.kind == "exit ended" else AlertLevel.CRITICAL
    words = _words(f"emergency {event.kind}", event)
    return level, gist(words), words


def _other(event: RiskEvent) -> _Said:
    key = " ".join(filter(None, (event.kind, event.account, event.run_id)))
    return AlertLevel.WARNING, key, _words(event.kind, event)


def _words(name: str, event: RiskEvent) -> str:
    of = f" of run {event.run_id}" if event.run_id else ""
    found = (str(event.detail[each]) for each in _SENTENCES if event.detail.get(each))
    sentence = next(found, "")
    return f"{name}{of}: {sentence}" if sentence else f"{name}{of}"


def _numbers(detail: Mapping[str, Any]) -> dict[str, str]:
    cause, numbers = detail.get("cause"), detail.get("numbers") or {}
    return {**({"cause": str(cause)} if cause else {}), **{k: str(v) for k, v in numbers.items()}}


def _values(event: RiskEvent) -> dict[str, str]:
    """Return what else an event tells in one word, such as a symbol or a price."""
    if event.kind.startswith("monitor"):
        return {}
    plain = {k: v for k, v in event.detail.items() if isinstance(v, str | int)}
    return {name: str(value) for name, value in plain.items() if name not in _SENTENCES}


#: By the first word of an event's kind.
_SAY: Final[Mapping[str, Callable[[RiskEvent], _Said]]] = {
    "breaker": _breaker,
    "monitor": _monitor,
    "exit": _exit,
}
