"""Whatever is sent, it is answered with a problem that names the field, and nothing is stored."""

import json
from typing import Any

import pytest

from aistratus_contracts.job import sampling_numbers
from aistratus_contracts.problem import PROBLEM_CONTENT_TYPE
from support.refusals import refused
from support.router_api import HELLO, Api

USER = {"role": "user", "content": "Hello"}
ASSISTANT = {"role": "assistant", "content": "Hello"}
SYSTEM = {"role": "system", "content": "Be brief."}
SCHEMA = "/response_format/json_schema/schema"


def json_schema(said: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": said}}


def grammar(said: Any, **more: Any) -> dict[str, Any]:
    return {"response_format": {"type": "grammar", "grammar": said, **more}}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"messages": None}, ["/messages"]),
        ({"messages": []}, ["/messages"]),
        ({"messages": {}}, ["/messages"]),
        ({"messages": "Hello"}, ["/messages"]),
        ({"messages": [USER, ASSISTANT] * 128 + [USER]}, ["/messages"]),
        ({"messages": ["Hello"]}, ["/messages/0"]),
        ({"messages": [{}]}, ["/messages/0/role", "/messages/0/content"]),
        ({"messages": [{"role": "user"}]}, ["/messages/0/content"]),
        ({"messages": [{**USER, "content": ""}]}, ["/messages/0/content"]),
        ({"messages": [{**USER, "content": 7}]}, ["/messages/0/content"]),
        ({"messages": [{**USER, "content": None}]}, ["/messages/0/content"]),
        ({"messages": [{**USER, "content": ["a"]}]}, ["/messages/0/content"]),
        ({"messages": [{**USER, "role": "robot"}]}, ["/messages/0/role"]),
        ({"messages": [{**USER, "role": "User"}]}, ["/messages/0/role"]),
        ({"messages": [{**USER, "role": 1}]}, ["/messages/0/role"]),
        ({"messages": [{**USER, "name": "Ann"}]}, ["/messages/0/name"]),
        ({"max_tokens": 0}, ["/max_tokens"]),
        ({"max_tokens": -1}, ["/max_tokens"]),
        ({"max_tokens": "5"}, ["/max_tokens"]),
        ({"max_tokens": 5.5}, ["/max_tokens"]),
        ({"max_tokens": True}, ["/max_tokens"]),
        ({"max_tokens": 2048}, ["/max_tokens"]),
        ({"max_tokens": 8192, "model": "large"}, ["/max_tokens"]),
        ({"max_tokens": 10**30}, ["/max_tokens"]),
        ({"temperature": -0.1}, ["/temperature"]),
        ({"temperature": 2.1}, ["/temperature"]),
        ({"temperature": "hot"}, ["/temperature"]),
        ({"temperature": False}, ["/temperature"]),
        ({"top_p": 1.1}, ["/top_p"]),
        ({"top_p": -0.1}, ["/top_p"]),
        ({"top_k": -1}, ["/top_k"]),
        ({"top_k": 1001}, ["/top_k"]),
        ({"min_p": 2}, ["/min_p"]),
        ({"repeat_penalty": 0}, ["/repeat_penalty"]),
        ({"repeat_penalty": 2.5}, ["/repeat_penalty"]),
        ({"seed": -1}, ["/seed"]),
        ({"seed": 2**32}, ["/seed"]),
        ({"stop": "\n"}, ["/stop"]),
        ({"stop": [""]}, ["/stop/0"]),
        ({"stop": ["x" * 65]}, ["/stop/0"]),
        ({"stop": list("abcde")}, ["/stop"]),
        ({"stop": ["a", None]}, ["/stop/1"]),
        ({"logit_bias": []}, ["/logit_bias"]),
        ({"logit_bias": {"x": 1}}, ["/logit_bias/x"]),
        ({"logit_bias": {"": 1}}, ["/logit_bias/"]),
        ({"logit_bias": {"-1": 1}}, ["/logit_bias/-1"]),
        ({"logit_bias": {"01": 1}}, ["/logit_bias/01"]),
        ({"logit_bias": {"1.0": 1}}, ["/logit_bias/1.0"]),
        ({"logit_bias": {"1\n": 1}}, ["/logit_bias/1\n"]),
        ({"logit_bias": {"\u0661": 1}}, ["/logit_bias/\u0661"]),
        ({"logit_bias": {"2147483648": 1}}, ["/logit_bias/2147483648"]),
        ({"logit_bias": {"9" * 5000: 1}}, ["/logit_bias/" + "9" * 79 + "…"]),
        ({"logit_bias": {"[key]": 1}}, ["/logit_bias/[key]"]),
        ({"logit_bias": {"5": 100.1}}, ["/logit_bias/5"]),
        ({"logit_bias": {"5": -101}}, ["/logit_bias/5"]),
        ({"logit_bias": {"5": "1"}}, ["/logit_bias/5"]),
        ({"logit_bias": {"5": True}}, ["/logit_bias/5"]),
        ({"logit_bias": {"5": None}}, ["/logit_bias/5"]),
        ({"logit_bias": {str(token): 1 for token in range(301)}}, ["/logit_bias"]),
        ({"response_format": "json_object"}, ["/response_format"]),
        ({"response_format": [{"type": "text"}]}, ["/response_format"]),
        ({"response_format": {}}, ["/response_format/type"]),
        ({"response_format": {"type": "xml"}}, ["/response_format/type"]),
        ({"response_format": {"type": "JSON_OBJECT"}}, ["/response_format/type"]),
        ({"response_format": {"type": None}}, ["/response_format/type"]),
        ({"response_format": {"type": ["text"]}}, ["/response_format/type"]),
        ({"response_format": {"type": "text", "text": "x"}}, ["/response_format/text"]),
        ({"response_format": {"type": "json_object", "schema": {}}}, ["/response_format/schema"]),
        ({"response_format": {"type": "json_schema"}}, ["/response_format/json_schema"]),
        (json_schema(None), ["/response_format/json_schema"]),
        (json_schema([]), ["/response_format/json_schema"]),
        (json_schema({}), ["/response_format/json_schema/schema"]),
        (json_schema({"schema": None}), ["/response_format/json_schema/schema"]),
        (json_schema({"schema": []}), ["/response_format/json_schema/schema"]),
        (json_schema({"schema": "{}"}), ["/response_format/json_schema/schema"]),
        (json_schema({"schema": True}), ["/response_format/json_schema/schema"]),
        (json_schema({"schema": {}, "name": 1}), ["/response_format/json_schema/name"]),
        (json_schema({"schema": {}, "strict": "yes"}), ["/response_format/json_schema/strict"]),
        (json_schema({"schema": {}, "schema_text": ""}), [f"{SCHEMA}_text"]),
        (json_schema({"schema": {}, "x": 1}), ["/response_format/json_schema/x"]),
        ({"response_format": {"type": "grammar"}}, ["/response_format/grammar"]),
        (grammar(""), ["/response_format/grammar"]),
        (grammar(["root ::= [a]"]), ["/response_format/grammar"]),
        (grammar("x", json_schema=None), ["/response_format/json_schema"]),
        ({"model": ""}, ["/model"]),
        ({"model": "gpt"}, ["/model"]),
        ({"model": 1}, ["/model"]),
        ({"conversation_id": ""}, ["/conversation_id"]),
        ({"conversation_id": "conv-1"}, ["/conversation_id"]),
        ({"conversation_id": "conv-" + "a" * 24 + "\n"}, ["/conversation_id"]),
        ({"request_id": ""}, ["/request_id"]),
        ({"request_id": "a b"}, ["/request_id"]),
        ({"request_id": "x" * 65}, ["/request_id"]),
        ({"request_id": "x\n"}, ["/request_id"]),
        ({"colour": "blue"}, ["/colour"]),
        ({"a/b~c": 1}, ["/a~1b~0c"]),
        ({"seed": "a", "top_k": "b"}, ["/top_k", "/seed"]),
    ],
)
def test_a_field_that_is_wrong_is_named(
    quick_api: Api, changes: dict[str, Any], fields: list[str]
) -> None:
    reply = refused(quick_api, {**HELLO, **changes})

    assert (reply.status, reply.json["code"]) == (422, "invalid_request")
    assert reply.fields == fields
    assert all(field in reply.json["detail"] for field in fields if field)


@pytest.mark.parametrize("name", sampling_numbers())
def test_a_number_for_sampling_is_one_within_its_bounds(quick_api: Api, name: str) -> None:
    kind, bounds = sampling_numbers()[name]
    beyond = [bounds.least - 0.01, bounds.most + 0.01, -(10**30), 10**30]
    no_numbers = [True, "1", [], {}, *([0.5] if kind is int else [])]
    for value in [*beyond, *no_numbers]:
        assert refused(quick_api, {**HELLO, name: value}).fields == [f"/{name}"]


@pytest.mark.parametrize("name", sampling_numbers())
def test_a_number_for_sampling_may_be_either_of_its_bounds(quick_api: Api, name: str) -> None:
    _, bounds = sampling_numbers()[name]
    for value in (bounds.least, bounds.most):
        job_id = quick_api.infer({**HELLO, name: value})["job_id"]
        assert getattr(quick_api.job(job_id).sampling, name) == value


@pytest.mark.parametrize(
    ("number", "field"),
    [
        ("1e400", "temperature"),
        ("-1e400", "temperature"),
        ("9" * 5000, "temperature"),
        ("9" * 5000, "max_tokens"),
        ("-" + "9" * 5000, "seed"),
        ("1e400", "max_tokens"),
        ("1e300", "seed"),
    ],
)
def test_a_number_beyond_all_bounds(quick_api: Api, number: str, field: str) -> None:
    messages = json.dumps(HELLO["messages"])
    reply = refused(quick_api, f'{{"messages": {messages}, "{field}": {number}}}')

    assert (reply.status, reply.fields) == (422, [f"/{field}"])


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('{"messages": [{"role": "user", "content": "\\ud800"}]}', "/messages/0/content"),
        ('{"messages": [{"role": "user", "content": "\\udfff\\ud800"}]}', "/messages/0/content"),
        ('{"messages": [{"role": "\\ud800", "content": "x"}]}', "/messages/0/role"),
        ('{"messages": [{"role": "user", "content": "x"}], "model": "\\ud800"}', "/model"),
        ('{"messages": [{"role": "user", "content": "x"}], "stop": ["\\ud800"]}', "/stop/0"),
        ('{"messages": [{"role": "user", "content": "x"}], "\\ud800": 1}', ""),
    ],
)
def test_half_a_character(quick_api: Api, text: str, field: str) -> None:
    reply = refused(quick_api, text)

    assert reply.status == 422
    assert reply.fields == [field]
    reply.text.encode()


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([ASSISTANT], "/messages/0/role"),
        ([USER, USER], "/messages/1/role"),
        ([USER, ASSISTANT], "/messages/1/role"),
        ([USER, ASSISTANT, ASSISTANT, USER], "/messages/2/role"),
        ([USER, SYSTEM, USER], "/messages/1/role"),
        ([SYSTEM], "/messages"),
        ([SYSTEM, SYSTEM, USER], "/messages/1/role"),
        ([SYSTEM, ASSISTANT, USER], "/messages/1/role"),
    ],
)
def test_roles_out_of_order(quick_api: Api, messages: list[Any], field: str) -> None:
    reply = refused(quick_api, {"messages": messages})

    assert (reply.status, reply.fields) == (422, [field])


@pytest.mark.parametrize(
    "messages",
    [
        [USER],
        [SYSTEM, USER],
        [USER, ASSISTANT, USER],
        [SYSTEM, USER, ASSISTANT, USER],
        [SYSTEM, USER, *[ASSISTANT, USER] * 127],
    ],
)
def test_roles_in_order(quick_api: Api, messages: list[Any]) -> None:
    quick_api.infer({"messages": messages})


@pytest.mark.parametrize("messages", [[SYSTEM, USER], [ASSISTANT, USER], [USER, ASSISTANT]])
def test_roles_out_of_order_in_a_conversation(quick_api: Api, messages: list[Any]) -> None:
    opened = quick_api.infer()["conversation_id"]
    quick_api.dynamodb.calls.clear()
    quick_api.sqs.calls.clear()
    reply = refused(quick_api, {"messages": messages, "conversation_id": opened})

    assert reply.status == 422
    assert reply.fields[0].endswith("/role")


@pytest.mark.parametrize(
    "body",
    [
        {"max_tokens": 5.0},
        {"max_tokens": 2047},
        {"model": "large", "max_tokens": 8191},
        {"temperature": 0},
        {"temperature": 2},
        {"seed": 4294967295.0},
        {"stop": []},
        {"stop": ["\u0000", "é" * 64]},
        {"messages": [{"role": "user", "content": "\u0000\U0001f600\u200b"}]},
        {"request_id": None, "conversation_id": None, "model": None, "top_p": None},
    ],
)
def test_what_is_odd_but_right_is_accepted(api: Api, body: dict[str, Any]) -> None:
    job = api.infer({**HELLO, **body})

    assert api.call("GET", f"/conversations/{job['conversation_id']}").status == 200


@pytest.mark.parametrize(
    ("path", "query", "field"),
    [
        ("/jobs/{job}/events", "after=-1", "?after"),
        ("/jobs/{job}/events", "after=x", "?after"),
        ("/jobs/{job}/events", "after=1.0", "?after"),
        ("/jobs/{job}/events", "after=%2B1", "?after"),
        ("/jobs/{job}/events", "after=%EF%BC%91", "?after"),
        ("/jobs/{job}/events", "after=10000000000", "?after"),
        ("/jobs/{job}/events", "after=", "?after"),
        ("/jobs/{job}/events", "after", "?after"),
        ("/jobs/{job}/events", "wait=21", "?wait"),
        ("/jobs/{job}/events", "wait=true", "?wait"),
        ("/jobs/{job}/events", "wait=1&wait=2", "?wait"),
        ("/jobs/{job}/events", "what=1", "?what"),
        ("/jobs/{job}/events", "%ED%A0%80=1", "?" + "\ufffd" * 3),
        ("/jobs/{job}", "verbose=1", "?verbose"),
        ("/conversations", "limit=0", "?limit"),
        ("/conversations", "limit=51", "?limit"),
        ("/conversations", "cursor=", "?cursor"),
        ("/conversations", "cursor=abc", "?cursor"),
        ("/conversations/{conversation}", "before=0", "?before"),
        ("/models", "x=", "?x"),
        ("/health", "x=1", "?x"),
        ("/openapi.json", "x=1", "?x"),
    ],
)
def test_a_query_that_is_wrong_is_named(quick_api: Api, path: str, query: str, field: str) -> None:
    job = quick_api.infer()
    address = path.format(job=job["job_id"], conversation=job["conversation_id"])
    reply = quick_api.call("GET", address, query=query)

    assert (reply.status, reply.fields) == (422, [field])


def test_a_query_where_none_belongs_enqueues_nothing(quick_api: Api) -> None:
    assert refused(quick_api, HELLO, query="x=1").fields == ["?x"]


def test_many_errors_are_not_all_told(quick_api: Api) -> None:
    reply = refused(quick_api, {**HELLO, **{f"field-{n}" * 100: n for n in range(100)}})

    assert len(reply.json["errors"]) == 20
    assert len(reply.text) < 5000


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/infer", "POST"),
        ("HEAD", "/health", "GET"),
        ("POST", "/conversations", "GET"),
        ("PATCH", "/conversations/conv-1", "DELETE, GET"),
        ("DELETE", "/jobs/job-1", "GET"),
        ("GET", "/jobs/job-1/cancel", "POST"),
        ("TRACE", "/models", "GET"),
    ],
)
def test_a_wrong_method_is_told_the_right_ones(
    quick_api: Api, method: str, path: str, allowed: str
) -> None:
    reply = quick_api.call(method, path)

    assert (reply.status, reply.json["code"]) == (405, "method_not_allowed")
    assert reply.headers["Allow"] == allowed


@pytest.mark.parametrize("path", ["/", "/nothing", "/jobs", "/jobs/a/b/c", "/infer/", "//health"])
def test_an_unknown_address_is_not_found(quick_api: Api, path: str) -> None:
    reply = quick_api.call("GET", path)

    assert (reply.status, reply.json["code"]) == (404, "not_found")
    assert reply.headers["Content-Type"] == PROBLEM_CONTENT_TYPE
