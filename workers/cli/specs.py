"""Reading specs from YAML or JSON: numbers stay text, decimals never floats.

Every mistake is told with its file and line.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Generic, TypeVar, get_args

import yaml
from pydantic import BaseModel

from domain.arbitrage.portfolio_spec import PortfolioSpec
from domain.arbitrage.portfolio_spec import parse_spec as parse_portfolio
from domain.arbitrage.spec import ArbSpec
from domain.arbitrage.spec import parse_spec as parse_pair
from domain.errors import InvalidValueError
from domain.grid.spec import GridSpec, parse_spec
from domain.written import Written
from workers.cli.failures import BadInputError

Spec = TypeVar("Spec", bound=Written)

#: A spec is a page of text; anything much larger is another file by mistake.
_MOST_BYTES: Final = 256 * 1024
_AS_TEXT: Final = ("int", "float", "timestamp")


class _Loader(yaml.SafeLoader):
    """YAML whose numbers and dates are the text a person wrote."""


for _kind in _AS_TEXT:
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_scalar)  # type: ignore[type-var]


@dataclass(frozen=True, slots=True)
class _Kind(Generic[Spec]):
    """A kind of spec: what people call it, its fields, and what it cannot do without."""

    name: str
    model: type[Spec]
    parse: Callable[[Mapping[str, Any]], Spec]
    needs: str
    such_as: str


_GRID: Final = _Kind(
    "grid", GridSpec, parse_spec, "symbol, interval and amount", "symbol: BTC/USDT:USDT"
)
_PAIR: Final = _Kind("pair", ArbSpec, parse_pair, "first, second and amount", "amount: 1000")

_PORTFOLIO: Final = _Kind(
    "portfolio", PortfolioSpec, parse_portfolio, "accounts", "accounts: [binance, binance_spot]"
)


def read_spec(source: str) -> GridSpec:
    """Return the spec of a grid in the file *source*, `-` is stdin.

    Raises BadInputError with file and line for whatever is wrong.
    """
    return _read(_GRID, source)


def read_pair(source: str) -> ArbSpec:
    """Return the spec of a pair in the file *source*, `-` is stdin; see `read_spec`."""
    return _read(_PAIR, source)


def read_portfolio(source: str) -> PortfolioSpec:
    """Return the spec of a portfolio in the file *source*, `-` is stdin; see `read_spec`."""
    return _read(_PORTFOLIO, source)


def parse_text(text: str, name: str) -> GridSpec:
    """Return the spec of a grid in *text*; *name* stands in messages."""
    return _parse(_GRID, text, name)


def _read(kind: _Kind[Spec], source: str) -> Spec:
    name = "stdin" if source == "-" else source
    return _parse(kind, _text(source, name), name)


def _parse(kind: _Kind[Spec], text: str, name: str) -> Spec:
    data, lines = _document(text, name)
    if data is None:
        raise BadInputError(
            f"{name} is empty: a {kind.name} needs at least {kind.needs}, see examples/"
        )
    if not isinstance(data, Mapping):
        raise BadInputError(
            f"{name} must hold fields such as `{kind.such_as}`, was {type(data).__name__}"
        )
    unknown = [_placed(name, lines, *wrong) for wrong in _unknown(kind, kind.model, data, ())]
    if unknown:
        raise BadInputError("\n".join(unknown))
    try:
        return kind.parse(data)
    except InvalidValueError as error:
        told = (line.partition(": ") for line in str(error).splitlines())
        raise BadInputError(
            "\n".join(
                _placed(name, lines, tuple(field.split(".")), f"{field}: {what}")
                for field, _, what in told
            )
        ) from None


def _text(source: str, name: str) -> str:
    try:
        raw = sys.stdin.buffer.read(_MOST_BYTES + 1) if source == "-" else _bytes(Path(source))
        text = raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise BadInputError(f"{name} does not exist: check the path of the spec") from None
    except OSError as error:
        raise BadInputError(f"{name} cannot be read ({error.strerror}): check the path") from None
    except UnicodeDecodeError:
        raise BadInputError(f"{name} is no text in UTF-8: is it the right file?") from None
    if len(raw) > _MOST_BYTES:
        raise BadInputError(f"{name} is larger than any spec: is it the right file?")
    return text


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_MOST_BYTES + 1)


def _document(text: str, name: str) -> tuple[Any, dict[tuple[str, ...], int]]:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, {}
        lines: dict[tuple[str, ...], int] = {}
        _map_lines(node, (), lines, name)
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else name
        what = error.problem or error.context or "cannot be read"
        raise BadInputError(f"{where}: this is no YAML: {what}") from None
    except yaml.YAMLError as error:
        raise BadInputError(f"{name}: this is no YAML: {' '.join(str(error).split())}") from None
    finally:
        loader.dispose()


def _map_lines(
    node: yaml.Node, path: tuple[str, ...], lines: dict[tuple[str, ...], int], name: str
) -> None:
    """Note the line of every field; refuse one that is there twice, where YAML keeps the last."""
    lines[path] = node.start_mark.line + 1
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        field, line = str(key.value), key.start_mark.line + 1
        if field in seen:
            raise BadInputError(f"{name}:{line}: {field} stands here twice: keep one")
        seen.add(field)
        _map_lines(value, (*path, field), lines, name)
        lines[*path, field] = line


def _placed(
    name: str, lines: Mapping[tuple[str, ...], int], path: tuple[str, ...], what: str
) -> str:
    while path and path not in lines:
        path = path[:-1]
    line = lines.get(path) if path else None
    return f"{name}:{line}: {what}" if line else f"{name}: {what}"


def _unknown(
    kind: _Kind[Any], model: type[BaseModel], data: Mapping[Any, Any], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield the fields of *data* that *model* does not have, each with the nearest one it has."""
    for key, value in data.items():
        here = (*path, str(key))
        field = model.model_fields.get(str(key))
        if field is None:
            near = get_close_matches(str(key), model.model_fields, cutoff=0.5)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(model.model_fields)}"
            yield here, f"{'.'.join(here)} is no field of a {kind.name}: {hint}"
        elif isinstance(value, Mapping):
            inner = _model_in(field.annotation)
            if inner is not None:
                yield from _unknown(kind, inner, value, here)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
