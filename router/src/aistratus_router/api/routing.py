"""How a route is declared. Routing, admission, reading and the OpenAPI document follow from it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple, TypeVar

from pydantic import BaseModel

from aistratus_contracts.job import CONVERSATION_ID_PATTERN, JOB_ID_PATTERN
from aistratus_contracts.registry import Scope

# The variable parts that a path can have.
ID_PATTERNS: Final = {"job_id": JOB_ID_PATTERN, "conversation_id": CONVERSATION_ID_PATTERN}

M = TypeVar("M", bound=BaseModel)

# Named tuples: creating a dataclass would take longer, at every start.


class Written(NamedTuple):
    """An answer that is already JSON text, and its headers."""

    text: str
    headers: Mapping[str, str] = MappingProxyType({})


Handler = Callable[..., M | Written | None]


class Route(NamedTuple):
    """One route.

    A caller needs a token with `scope`; where it is None, anyone may call. `ids` are the names in
    the path. `refusals` are the statuses of the problem documents that not every route has.
    """

    method: str
    path: str
    scope: Scope | None
    ids: tuple[str, ...]
    query: type[BaseModel] | None
    body: type[BaseModel] | None
    handler: Handler[BaseModel]
    status: int
    answer: type[BaseModel] | None
    refusals: frozenset[int]

    @property
    def name(self) -> str:
        """The operation's id in the document."""
        return self.handler.__name__


class Routes(list[Route]):
    """The routes of an API, in the order of its document."""

    def add(
        self,
        method: str,
        path: str,
        answer: type[M] | None,
        *,
        status: int = 200,
        scope: Scope | None = Scope.INFER,
        refusals: tuple[int, ...] = (),
    ) -> Callable[[Handler[M]], Handler[M]]:
        """Declare the route that the function below answers.

        The function takes what it needs by name: the caller's `context`, if there is a scope; the
        ids in the path; `query` and `body`, which are read as the models that they are annotated
        with. Its docstring is the operation's summary. A scope, an id and a body each add
        their own refusals.
        """

        def declare(handler: Handler[M]) -> Handler[M]:
            models = handler.__annotations__
            query, body = models.get("query"), models.get("body")
            ids = tuple(name for name in ID_PATTERNS if f"{{{name}}}" in path)
            statuses = frozenset(
                (
                    *refusals,
                    *((401, 403) if scope else ()),
                    *((404,) if ids else ()),
                    *((400, 413, 415) if body else ()),
                )
            )
            route = Route(method, path, scope, ids, query, body, handler, status, answer, statuses)
            self.append(route)
            return handler

        return declare
