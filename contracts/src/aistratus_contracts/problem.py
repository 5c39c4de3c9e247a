"""Errors on the wire: RFC 9457 problem documents with a stable code."""

from dataclasses import dataclass
from typing import Any, Final

from aistratus_contracts import codec
from aistratus_contracts.errors import ErrorCode

PROBLEM_CONTENT_TYPE: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class FieldError:
    """One refused field: an RFC 6901 pointer into the body (or `?name` of the query)."""

    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request was refused; `detail` is one sentence for a person."""

    status: int
    code: ErrorCode
    title: str
    detail: str
    errors: tuple[FieldError, ...] = ()

    @property
    def type(self) -> str:
        """The URI that names this kind of problem."""
        return f"urn:aistratus:problem:{self.code.value}"


def problem_to_plain(problem: Problem) -> dict[str, Any]:
    """A problem as a JSON-ready document."""
    document = {"type": problem.type, **codec.to_plain(problem)}
    if not problem.errors:
        del document["errors"]
    return document


def problem_from_plain(document: object) -> Problem:
    """The reverse of `problem_to_plain`; raises a `ContractError`."""
    fields = dict(document) if isinstance(document, dict) else document
    if isinstance(fields, dict):
        fields.pop("type", None)
    return codec.from_plain(Problem, fields)
