"""What steers an answer's tokens is in the job as it was asked, whole, or it is refused by name."""

import json
from typing import Any

import pytest

from aistratus_contracts.job import LogitBias, ResponseFormat, Sampling
from aistratus_contracts.limits import MAX_GRAMMAR_BYTES, MAX_LOGIT_BIASES
from aistratus_contracts.problem import problem_from_plain
from aistratus_contracts.states import ResponseFormatType
from support.router_api import HELLO, Api, Reply

SCHEMA_FIELD = "/response_format/json_schema/schema"
ODD_SCHEMA = {
    "properties": {
        "z": {"const": None},
        "a": {"enum": [None, 1.0, 1, -0.0, 1e-7, "\u0000é🙂", {"b": None}, []]},
    },
    "default": None,
}
ODD_SCHEMA_TEXT = (
    '{"properties":{"z":{"const":null},'
    '"a":{"enum":[null,1.0,1,-0.0,1e-07,"\\u0000é🙂",{"b":null},[]]}},"default":null}'
)


def by_schema(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"schema": schema, **more}}


def by_grammar(text: str) -> dict[str, Any]:
    return {"type": "grammar", "grammar": text}


def asked(api: Api, **body: Any) -> Sampling:
    """How the job that came of it is to be sampled."""
    return api.job(api.infer({**HELLO, **body})["job_id"]).sampling


def refused(api: Api, **body: Any) -> Reply:
    reply = api.call("POST", "/infer", {**HELLO, **body})
    assert (reply.status, reply.json["code"]) == (422, "invalid_request"), reply.text
    problem = problem_from_plain(reply.json)
    assert all(error.message.endswith(".") for error in problem.errors)
    assert all(not error.message.startswith("Value error") for error in problem.errors)
    assert len(reply.text.encode()) < 2000
    assert api.dynamodb.calls == []
    return reply


def test_what_is_not_asked_for_is_off(api: Api) -> None:
    sampling = asked(api, logit_bias=None, response_format=None)

    assert (sampling.logit_bias, sampling.response_format) == ((), None)
    assert asked(api, logit_bias={}, response_format={"type": "text"}) == sampling


def test_biases_are_stored_by_token_id(api: Api) -> None:
    sampling = asked(api, logit_bias={"29871": 1.5, "2147483647": 100, "0": -100, "13": 0})

    assert sampling.logit_bias == (
        LogitBias(0, -100.0),
        LogitBias(13, 0.0),
        LogitBias(29871, 1.5),
        LogitBias(2147483647, 100.0),
    )


def test_as_many_biases_as_there_may_be(api: Api) -> None:
    sampling = asked(api, logit_bias={str(token): -0.5 for token in range(MAX_LOGIT_BIASES)})

    assert [bias.token for bias in sampling.logit_bias] == list(range(MAX_LOGIT_BIASES))


@pytest.mark.parametrize(
    ("body", "stored"),
    [
        ({"type": "json_object"}, ResponseFormat(ResponseFormatType.JSON_OBJECT)),
        (by_schema({}), ResponseFormat(ResponseFormatType.JSON_SCHEMA, schema="{}")),
        (
            by_schema(ODD_SCHEMA, name="odd", strict=True, description="All that JSON has."),
            ResponseFormat(ResponseFormatType.JSON_SCHEMA, schema=ODD_SCHEMA_TEXT),
        ),
        (
            by_schema({"schema": {"type": "text"}, "title": "x"}, name=None, strict=False),
            ResponseFormat(
                ResponseFormatType.JSON_SCHEMA, schema='{"schema":{"type":"text"},"title":"x"}'
            ),
        ),
        (
            by_grammar('root ::= "é" [^\n"]*\n'),
            ResponseFormat(ResponseFormatType.GRAMMAR, grammar='root ::= "é" [^\n"]*\n'),
        ),
    ],
)
def test_a_format_is_stored_as_it_was_asked(
    api: Api, body: dict[str, Any], stored: ResponseFormat
) -> None:
    assert asked(api, response_format=body).response_format == stored


def test_a_schemas_keys_keep_their_order(api: Api) -> None:
    stored = asked(api, response_format=by_schema({"z": 1, "a": {"y": 1, "b": 2}}))

    assert stored.response_format is not None
    assert stored.response_format.schema == '{"z":1,"a":{"y":1,"b":2}}'


@pytest.mark.parametrize("filling", ["x", "é", "🙂", "\u0000"])
def test_a_grammar_may_have_16_kib_and_no_byte_more(api: Api, filling: str) -> None:
    text = filling * (MAX_GRAMMAR_BYTES // len(filling.encode()))
    assert len(text.encode()) == MAX_GRAMMAR_BYTES
    reply = refused(api, response_format=by_grammar(text + "x"))

    assert reply.fields == ["/response_format/grammar"]
    message = reply.json["errors"][0]["message"]
    assert str(MAX_GRAMMAR_BYTES + 1) in message
    assert f"at most {MAX_GRAMMAR_BYTES}" in message
    stored = asked(api, response_format=by_grammar(text)).response_format
    assert stored == ResponseFormat(ResponseFormatType.GRAMMAR, grammar=text)


@pytest.mark.parametrize("filling", ["x", "é", "🙂"])
def test_a_schema_may_have_16_kib_without_its_spaces(api: Api, filling: str) -> None:
    room = MAX_GRAMMAR_BYTES - len('{"const":""}')
    text = filling * (room // len(filling.encode()))
    pad = "x" * (room - len(text.encode()))
    reply = refused(api, response_format=by_schema({"const": text + pad + "x"}))

    assert reply.fields == [SCHEMA_FIELD]
    assert f"at most {MAX_GRAMMAR_BYTES}" in reply.json["errors"][0]["message"]
    stored = asked(api, response_format=by_schema({"const": text + pad})).response_format
    assert stored is not None
    assert len(stored.schema.encode()) == MAX_GRAMMAR_BYTES


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"logit_bias": {"\ud800": 1}}, "/logit_bias/\ufffd\ufffd\ufffd"),
        ({"response_format": {"type": "\ud800"}}, "/response_format/type"),
        ({"response_format": by_grammar("\ud800")}, "/response_format/grammar"),
        ({"response_format": by_schema({"const": "\ud800"})}, SCHEMA_FIELD),
        ({"response_format": by_schema({"a": [{"\udfff": None}]})}, SCHEMA_FIELD),
    ],
)
def test_half_a_character_is_refused_by_name(
    quick_api: Api, body: dict[str, Any], field: str
) -> None:
    assert refused(quick_api, **body).fields == [field]


@pytest.mark.parametrize("number", ["1e400", "-1e400", "9" * 5000])
def test_a_number_beyond_all_bounds_is_refused_by_name(quick_api: Api, number: str) -> None:
    body = json.dumps({**HELLO, "response_format": by_schema({"const": "?"})})
    reply = quick_api.call("POST", "/infer", body.replace('"?"', number))

    assert (reply.status, reply.fields) == (422, [SCHEMA_FIELD])
    assert "number" in reply.json["errors"][0]["message"]


def test_a_deep_schema_is_refused(api: Api) -> None:
    text = '{"a":' * 300 + "{}" + "}" * 300
    reply = refused(api, response_format=by_schema(json.loads(text)))
    assert "nests too deeply" in reply.json["errors"][0]["message"]


@pytest.mark.parametrize(
    "form",
    [
        by_grammar('root ::= "a"{5,2}'),
        by_grammar('root ::= ("a"{0,200}){0,200}'),
        by_schema({"type": "string", "pattern": "^a{1000000000}$"}),
        by_schema({"items": {"type": "string", "pattern": "^[a]{0,100000000}$"}}),
        by_schema({"type": "array", "minItems": 10**9}),
    ],
)
def test_counts_beyond_all_bounds_are_refused(api: Api, form: dict[str, Any]) -> None:
    reply = refused(api, response_format=form)
    assert reply.json["errors"][0]["message"].startswith("It cannot be used: ")


def test_a_schema_of_any_depth_gets_an_answer(quick_api: Api) -> None:
    quick_api.limit(open_jobs=1000, prompt_burst=1000)
    for depth in range(500, 1000, 5):
        schema = '{"a":' * depth + "{}" + "}" * depth
        body = json.dumps({**HELLO, "response_format": by_schema("?")}).replace('"?"', schema)
        assert quick_api.call("POST", "/infer", body).status in {202, 400, 422}


def test_what_is_refused_is_not_repeated_at_length(quick_api: Api) -> None:
    long = "x" * 100_000

    refused(quick_api, response_format={"type": long})
    refused(quick_api, response_format={"type": "text", long: 1})
    refused(quick_api, logit_bias={long: 1})


@pytest.mark.parametrize(
    ("first", "again"),
    [
        ({"logit_bias": {"1": 5, "2": -1}}, {"logit_bias": {"2": -1.0, "1": 5.0}}),
        ({"response_format": None}, {}),
        (
            {"response_format": by_schema({"a": None})},
            {"response_format": dict(reversed(by_schema({"a": None}, name=None).items()))},
        ),
        (
            {"response_format": by_schema(ODD_SCHEMA, strict=True)},
            {"response_format": by_schema(json.loads(ODD_SCHEMA_TEXT), strict=True)},
        ),
    ],
)
def test_the_same_may_be_asked_in_other_ways(
    api: Api, first: dict[str, Any], again: dict[str, Any]
) -> None:
    accepted = api.infer({**HELLO, "request_id": "r", **first})

    assert api.infer({"request_id": "r", **again, **HELLO}) == accepted
    assert len(api.sent()) == 1


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ({}, {"logit_bias": {"1": 1}}),
        ({"logit_bias": {"1": 1}}, {"logit_bias": {"1": 1.5}}),
        ({"logit_bias": {"1": 1}}, {"logit_bias": {"2": 1}}),
        ({}, {"response_format": {"type": "json_object"}}),
        ({"response_format": by_grammar("a")}, {"response_format": by_grammar("a ")}),
        *[
            ({"response_format": by_schema(one)}, {"response_format": by_schema(another)})
            for one, another in [
                ({"const": None}, {}),
                ({"enum": [None]}, {"enum": []}),
                ({"a": {"const": None}}, {"a": {}}),
                ({"const": 0.1}, {"const": 0.10000000000000002}),
                ({"const": "null"}, {"const": None}),
                ({"z": {}, "a": {}}, {"a": {}, "z": {}}),
            ]
        ],
    ],
)
def test_anything_else_under_the_same_request_id_is_refused(
    quick_api: Api, first: dict[str, Any], other: dict[str, Any]
) -> None:
    quick_api.infer({**HELLO, "request_id": "r", **first})
    reply = quick_api.call("POST", "/infer", {**HELLO, "request_id": "r", **other})

    assert (reply.status, reply.json["code"]) == (409, "request_id_reused")
