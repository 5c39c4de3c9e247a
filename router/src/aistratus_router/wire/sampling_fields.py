"""The sampling numbers, as fields of a request.

The contract declares them once; nothing here knows any of them by name.
"""

from typing import Annotated, Any, Final, TypeVar

from pydantic import Field, create_model

from aistratus_contracts.job import Bounds, sampling_numbers
from aistratus_router.wire.strict import Strict, Whole

M = TypeVar("M", bound=Strict)

_NUMBERS: Final = sampling_numbers()
# mypy wants static annotations, and these are made at run time.
_Annotated: Final[Any] = Annotated


def with_sampling_numbers(model: type[M]) -> type[M]:
    """The model with one more optional field for each number of `Sampling`."""
    fields: dict[str, Any] = {name: (_field(*number), None) for name, number in _NUMBERS.items()}
    return create_model(
        model.__name__,
        __base__=model,
        __module__=model.__module__,
        __doc__=model.__doc__,
        **fields,
    )


def sampling_numbers_of(asked: Strict) -> dict[str, Any]:
    """The numbers that the caller has chosen, by name."""
    return asked.model_dump(include=set(_NUMBERS), exclude_none=True)


def _field(kind: type, bounds: Bounds) -> Any:
    rules = [Field(ge=bounds.least, le=bounds.most), *([Whole] if kind is int else [])]
    return _Annotated[_Annotated[kind, *rules] | None, Field(description=bounds.note)]
