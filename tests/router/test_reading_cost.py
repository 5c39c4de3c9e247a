"""What a request costs to read, at the size limit: little, and in proportion to its size.

A body of many names, one of them twice, once took 17 s of the processor. So each shape that a
reader may be bad at is read at the limit and at an eighth of it. Time is the processor's, the
best of several, and the bars are far from what a slow minute of a machine can do: eight times the
size may take 24 times as long, where a quadratic reader takes 64 times.
"""

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from aistratus_contracts.limits import MAX_BODY_BYTES
from support.gateway_events import access_claims
from support.router_api import Api

MAX_SECONDS: Final = 0.2
STEP: Final = 8
MAX_RATIO: Final = 24.0
# Below this, what a request costs has little to do with its size.
NOISE_SECONDS: Final = 0.02
TRIES: Final = 5

MESSAGES: Final = '"messages":[{"role":"user","content":"x"}]'
MESSAGE: Final = '{"role":"user","content":"x"}'
TEXT: Final = '{"messages":[{"role":"user","content":"'
SCHEMA: Final = '"response_format":{"type":"json_schema","json_schema":{"schema":'
Shape = Callable[[int], str]


def filled(before: str, unit: str, after: str, comma: str = ",") -> Shape:
    """A body with as many of a unit as fit in its middle; `%d` in it becomes a running number."""

    def shape(size: int) -> str:
        left = size - len(before) - len(after)
        found: list[str] = []
        while True:
            one = unit % len(found) if "%d" in unit else unit
            left -= len(one.encode()) + len(comma)
            if left < 0:
                return before + comma.join(found) + after
            found.append(one)

    return shape


def text_of(unit: str) -> Shape:
    return filled(TEXT, unit, '"}]}', "")


def with_messages(before: str, unit: str, after: str, comma: str = ",") -> Shape:
    return filled("{" + MESSAGES + "," + before, unit, after + "}", comma)


BODIES: Final[dict[str, Shape]] = {
    "the first of many names again": filled("{", '"k%d":0', ',"k0":1}'),
    "the last of many names again": filled("{", '"k%d":0', ',"z":1,"z":1}'),
    "every name again": filled("{", '"a":0', "}"),
    "the last of many names again, in a small object": filled(
        '{"a":[', "{" + ",".join(f'"k{i}":0' for i in range(4000)) + ',"k3999":0}', "]}"
    ),
    "many objects": filled('{"a":[', '{"a":1,"b":2}', "]}"),
    "unknown names": with_messages("", '"k%d":0', ""),
    "unknown names in messages": filled(
        '{"messages":[', "{" + ",".join(f'"k{i}":0' for i in range(100)) + "}", "]}"
    ),
    "one long name": filled('{"', "x", '":1}', ""),
    "lists in lists": filled("", "[", "", ""),
    "objects in objects": filled("", '{"a":', "", ""),
    "as deep as can be read, often": filled('{"messages":[', "[" * 400 + "]" * 400, "]}"),
    "empty messages": filled('{"messages":[', "{}", "]}"),
    "messages that are lists": filled('{"messages":[', "[]", "]}"),
    "good messages, too many": filled('{"messages":[', MESSAGE, "]}"),
    "a long whole number": with_messages('"seed":', "9", "", ""),
    "a long fraction": with_messages('"temperature":0.', "9", "", ""),
    "a long exponent": with_messages('"temperature":1e', "9", "", ""),
    "many numbers of 20 digits": with_messages('"stop":[', "9" * 20, "]"),
    "escapes": text_of("\\u0001"),
    "quotes": text_of('\\"'),
    "half characters": text_of("\\ud800"),
    "wide characters": text_of("\U0001f600"),
    "biases": with_messages('"logit_bias":{', '"%d":1', "}"),
    "biases of no token": with_messages('"logit_bias":{', '"x%d":"a"', "}"),
    "stops": with_messages('"stop":[', '"a"', "]"),
    "stops that are numbers": with_messages('"stop":[', "1", "]"),
    "a wide schema": with_messages(SCHEMA + "{", '"%d":1', "}}}"),
    "a schema of references": with_messages(SCHEMA + '{"allOf":[', '{"$ref":"#/allOf/0"}', "]}}}"),
    "a schema of fractions": with_messages(SCHEMA + '{"a":[', "1e-7", "]}}}"),
    "a deep schema": with_messages(SCHEMA + '{"a":[', "[" * 400 + "]" * 400, "]}}}"),
    "a grammar": with_messages('"response_format":{"type":"grammar","grammar":"', "a", '"}', ""),
    "a long type": with_messages('"response_format":{"type":"', "x", '"}', ""),
    "a type that is a list": with_messages('"response_format":{"type":[', "1", "]}"),
    "spaces": filled("", " ", "{}", ""),
    "spaces, and no document": filled("", " ", "x", ""),
    "lines, and no document": filled("", "\n", "x", ""),
}

QUERIES: Final[dict[str, Shape]] = {
    "names": lambda n: "&".join(f"a{i}=1" for i in range(n // 8)),
    "one name again and again": lambda n: "a=1&" * (n // 4),
    "ampersands": lambda n: "&" * n,
    "percent signs": lambda n: "after=" + "%41" * (n // 3),
    "digits": lambda n: "after=" + "9" * n,
}

PATHS: Final[dict[str, Shape]] = {
    "a long id": lambda n: "/jobs/" + "a" * n,
    "slashes": lambda n: "/" * n,
    "many parts": lambda n: "/jobs" * (n // 5),
    "percent signs": lambda n: "/jobs/" + "%2f" * (n // 3),
}

SCOPES: Final[dict[str, Shape]] = {
    "scopes": lambda n: " ".join(f"s{i}" for i in range(n // 7)),
    "spaces": lambda n: " " * n,
    "a list": lambda n: f"[{'aistratus/operate ' * (n // 18)}]",
}

CONTENT_TYPES: Final[dict[str, Shape]] = {
    "semicolons": lambda n: "application/json" + ";" * n,
    "charsets": lambda n: "application/json" + "; charset=utf-8" * (n // 15),
}


def seconds(work: Callable[[], object]) -> float:
    """What it costs the processor at best."""
    best = float("inf")
    for _ in range(TRIES):
        began = time.process_time()
        work()
        best = min(best, time.process_time() - began)
    return best


@contextmanager
def no_collector() -> Iterator[None]:
    """Without the garbage collector, which goes through all that pytest holds when it likes."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def check(ask: Callable[[str], object], shape: Shape) -> None:
    """Neither too long at the limit, nor growing like a square."""
    small, large = (shape(size) for size in (MAX_BODY_BYTES // STEP, MAX_BODY_BYTES))
    ask(small)
    assert seconds(lambda: ask(large)) <= MAX_SECONDS
    with no_collector():
        took = seconds(lambda: ask(large))
        if took > NOISE_SECONDS:
            assert took / seconds(lambda: ask(small)) < MAX_RATIO


@pytest.mark.parametrize("kind", BODIES)
def test_any_body_is_read_in_proportion_to_its_size(quick_api: Api, kind: str) -> None:
    size = len(BODIES[kind](MAX_BODY_BYTES).encode())
    assert 0.8 * MAX_BODY_BYTES < size <= MAX_BODY_BYTES

    check(lambda body: quick_api.call("POST", "/infer", body), BODIES[kind])


@pytest.mark.parametrize("kind", QUERIES)
def test_any_query_is(quick_api: Api, kind: str) -> None:
    check(lambda query: quick_api.call("GET", "/jobs/job-a/events", query=query), QUERIES[kind])


@pytest.mark.parametrize("kind", PATHS)
def test_any_path_is(quick_api: Api, kind: str) -> None:
    check(lambda path: quick_api.call("GET", path), PATHS[kind])


@pytest.mark.parametrize("kind", SCOPES)
def test_any_scope_is(quick_api: Api, kind: str) -> None:
    check(
        lambda scope: quick_api.call("GET", "/models", claims=access_claims(scope=scope)),
        SCOPES[kind],
    )


@pytest.mark.parametrize("kind", CONTENT_TYPES)
def test_any_content_type_is(quick_api: Api, kind: str) -> None:
    check(
        lambda given: quick_api.call("POST", "/infer", "{}", headers={"content-type": given}),
        CONTENT_TYPES[kind],
    )


def test_an_object_of_thousands_of_names_is_named(quick_api: Api) -> None:
    reply = quick_api.call("POST", "/infer", BODIES["biases"](MAX_BODY_BYTES))

    assert (reply.status, reply.json["code"]) == (422, "invalid_request")
    assert "4096" in reply.json["errors"][0]["message"]


def test_too_many_parameters_are_named(quick_api: Api) -> None:
    reply = quick_api.call("GET", "/jobs/job-a/events", query="a=1&" * 30)

    assert (reply.status, reply.json["code"]) == (422, "invalid_request")
    assert "20 parameters" in reply.json["errors"][0]["message"]
