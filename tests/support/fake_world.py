"""The world around the router as a test controls it: time, clients, registry, Lambda's context."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from aistratus_router.registry import Addresses


class Crash(BaseException):
    """The process dies here."""


@dataclass
class FakeTime:
    """Time that passes only in `sleep`; `meanwhile` is what others do then."""

    now: float = 1000.0
    naps: list[float] = field(default_factory=list)
    meanwhile: Callable[[float], None] = lambda _: None
    epoch: datetime = datetime(2026, 11, 23, 10, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.now

    def clock(self) -> datetime:
        return self.epoch + timedelta(seconds=self.now - 1000.0)

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now += seconds
        self.meanwhile(self.now - 1000.0)


class Intercepted:
    """A client that records its calls, with hooks before and after each."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.before: Callable[[str, dict[str, Any]], None] = lambda *_: None
        self.after: Callable[[str, dict[str, Any]], None] = lambda *_: None

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(**arguments: Any) -> Any:
            self.before(name, arguments)
            self.calls.append((name, arguments))
            answer = getattr(self._client, name)(**arguments)
            self.after(name, arguments)
            return answer

        return call

    def count(self, name: str) -> int:
        return sum(called == name for called, _ in self.calls)


@dataclass
class StubRegistry:
    addresses: Addresses

    def read(self) -> Addresses:
        return self.addresses

    def set_idle_timeout(self, seconds: int) -> None:
        self.addresses = replace(self.addresses, idle_timeout_seconds=seconds)


@dataclass
class Context:
    """What Lambda says about an invocation."""

    aws_request_id: str = "req-1"
    left_ms: int = 29_000

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms
