"""What people write: the field types and the sentences that all specs share."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from domain.errors import InvalidValueError


def _as_typed(value: Any) -> Any:
    """Read a JSON or YAML number, which arrives as a float, by its shortest text, as typed."""
    return Decimal(repr(value)) if isinstance(value, float) else value


Exact = Annotated[Decimal, BeforeValidator(_as_typed), Field(allow_inf_nan=False)]
Positive = Annotated[Exact, Field(gt=0)]


class Written(BaseModel):
    """A value that a person writes: frozen, and refused if it has a field nobody knows."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


Spec = TypeVar("Spec", bound=Written)


def read(kind: type[Spec], data: Mapping[str, Any], name: str) -> Spec:
    """Return *data* as a *kind*, or raise InvalidValueError naming every field that is wrong.

    *name* stands for the whole, where no single field is to blame.
    """
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise InvalidValueError("\n".join(_sentences(error, name))) from None


def _sentences(error: ValidationError, name: str) -> list[str]:
    lines = []
    for problem in error.errors(include_url=False):
        field = ".".join(str(part) for part in problem["loc"]) or name
        text = problem["msg"].removeprefix("Value error, ")
        text = text[:1].lower() + text[1:]
        was = problem.get("input")
        shown = str(was) if isinstance(was, Decimal) else repr(was)
        told = "" if isinstance(was, Mapping | BaseModel) or "was" in text else f", was {shown}"
        lines.append(f"{field}: {text}{told}")
    return lines
