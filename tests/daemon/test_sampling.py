"""What a caller may say of how tokens are chosen, and that it is kept."""

import json
from collections import Counter
from dataclasses import fields, replace
from typing import Any

import pytest

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.job import LogitBias, ResponseFormat, Sampling
from aistratus_contracts.states import FinishReason, ResponseFormatType
from aistratus_router.wire.requests import InferRequest
from support.inner_engine import InnerEngine
from support.router_api import HELLO, memory_api
from support.sampling_cases import CASES
from support.sampling_cases import QUESTION as JOURNEY

QUESTION = "What is Aistratus?"
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 12},
        "size": {"type": "integer"},
        "kind": {"enum": ["queue", "engine"]},
    },
    "required": ["name", "size", "kind"],
    "additionalProperties": False,
}


def drawn(seed: int | None = 5, **changes: object) -> Sampling:
    fields: dict[str, object] = {
        "max_tokens": 40,
        "temperature": 4.0,  # this model is sure of what it says
        "top_k": 0,
        "top_p": 1.0,
        "min_p": 0.0,
        "seed": seed,
        **changes,
    }
    return Sampling(**fields)  # type: ignore[arg-type]


def as_the_router_stores_it(settings: dict[str, Any]) -> Sampling:
    api = memory_api()
    return api.job(api.infer({**HELLO, **settings})["job_id"]).sampling


def in_form(form: ResponseFormat, temperature: float = 0.0) -> Sampling:
    return Sampling(max_tokens=120, temperature=temperature, seed=3, response_format=form)


def grammar(source: str) -> ResponseFormat:
    return ResponseFormat(ResponseFormatType.GRAMMAR, grammar=source)


def schema(document: object) -> ResponseFormat:
    return ResponseFormat(ResponseFormatType.JSON_SCHEMA, schema=json.dumps(document))


def test_a_seeded_answer_cut_at_any_token_and_resumed_is_the_uncut_one(inner: InnerEngine) -> None:
    sampling = drawn(temperature=1.5)
    whole = inner.answer(QUESTION, sampling)
    assert len(whole.ids) > 10
    for cut in range(0, len(whole.ids), 3):
        rest = inner.answer(QUESTION, sampling, committed=tuple(whole.ids[:cut]))
        assert whole.ids[:cut] + rest.ids == whole.ids


def test_every_field_has_a_case() -> None:
    not_sampling = {"messages", "conversation_id", "request_id", "model"}
    assert set(CASES) == {field.name for field in fields(Sampling)}
    assert set(CASES) == set(InferRequest.model_fields) - not_sampling


@pytest.mark.parametrize("name", CASES)
def test_with_any_field_an_answer_cut_anywhere_and_resumed_is_the_uncut_one(
    inner: InnerEngine, name: str
) -> None:
    beside, value = CASES[name]
    stored = as_the_router_stores_it({**beside, name: value})
    # Where it is hotter, the last bits of a logit decide, and another batch may change them.
    sampling = replace(stored, temperature=min(stored.temperature, 1.0))
    whole = inner.answer(JOURNEY, sampling)
    for cut in range(0, len(whole.ids), 7):
        rest = inner.answer(JOURNEY, sampling, committed=tuple(whole.ids[:cut]))
        assert whole.ids[:cut] + rest.ids == whole.ids


def test_all_penalties_at_once_are_resumed_where_they_were(inner: InnerEngine) -> None:
    sampling = drawn(
        seed=11,
        temperature=1.5,
        max_tokens=100,
        repeat_penalty=1.1,
        frequency_penalty=-0.2,
        presence_penalty=1.0,
    )
    whole = inner.answer(JOURNEY, sampling)
    assert len(whole.ids) > 70
    for cut in range(0, len(whole.ids), 9):
        rest = inner.answer(JOURNEY, sampling, committed=tuple(whole.ids[:cut]))
        assert whole.ids[:cut] + rest.ids == whole.ids


def test_frequency_and_presence_count_the_whole_answer_and_nothing_else(
    inner: InnerEngine,
) -> None:
    # So far apart that what the model says is lost; the first is in the prompt as well.
    scores = {inner.llama.vocabulary.tokenize(QUESTION)[-1]: 100_000.0, 300: 90_000.0}
    sampling = Sampling(
        max_tokens=100,
        temperature=0.0,
        frequency_penalty=700.0,
        presence_penalty=3300.0,
        logit_bias=tuple(LogitBias(token, score) for token, score in scores.items()),
    )
    expected: list[int] = []
    for _ in range(sampling.max_tokens):
        left = {
            token: score
            - sampling.frequency_penalty * expected.count(token)
            - sampling.presence_penalty * (token in expected)
            for token, score in scores.items()
        }
        expected.append(max(left, key=lambda token: left[token]))

    assert inner.answer(QUESTION, sampling).ids == expected


def test_without_a_seed_two_answers_differ(inner: InnerEngine) -> None:
    one, other = (inner.answer(QUESTION, drawn(seed=None)) for _ in range(2))
    assert one.ids != other.ids


def test_a_forbidden_token_never_comes(inner: InnerEngine) -> None:
    plain = inner.answer(QUESTION, Sampling(20, 0.0))
    token, _ = Counter(plain.ids).most_common(1)[0]
    bias = (LogitBias(token, -100.0),)
    assert token not in inner.answer(QUESTION, Sampling(20, 0.0, logit_bias=bias)).ids
    assert token not in inner.answer(QUESTION, drawn(logit_bias=bias)).ids


def test_a_forced_token_comes_always(inner: InnerEngine) -> None:
    bias = (LogitBias(300, 100.0),)
    assert set(inner.answer(QUESTION, Sampling(5, 0.0, logit_bias=bias)).ids) == {300}


def test_a_repeat_penalty_leads_away_from_what_was_said(inner: InnerEngine) -> None:
    plain = inner.answer(QUESTION, drawn())
    assert inner.answer(QUESTION, drawn(repeat_penalty=2.0)).ids != plain.ids


@pytest.mark.parametrize("token", [-1, 2_000_000])
def test_a_bias_for_a_token_that_is_not_there_is_refused(inner: InnerEngine, token: int) -> None:
    heard = inner.answer(QUESTION, Sampling(5, 0.0, logit_bias=(LogitBias(token, 1.0),)))
    assert heard.failed.code is JobErrorCode.INVALID_REQUEST
    assert f"token {token}" in heard.failed.message


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_an_answer_follows_its_schema(inner: InnerEngine, temperature: float) -> None:
    heard = inner.answer("Name a part.", in_form(schema(SCHEMA), temperature))
    assert heard.done.finish_reason is FinishReason.STOP
    document = json.loads(heard.text)
    assert set(document) == {"name", "size", "kind"}
    assert isinstance(document["size"], int)
    assert document["kind"] in {"queue", "engine"}


def test_an_answer_follows_its_grammar(inner: InnerEngine) -> None:
    heard = inner.answer("Yes or no?", in_form(grammar('root ::= ("yes" | "no") " indeed"')))
    assert heard.text in {"yes indeed", "no indeed"}
    assert heard.done.finish_reason is FinishReason.STOP


def test_json_object_begins_one(inner: InnerEngine) -> None:
    form = ResponseFormat(ResponseFormatType.JSON_OBJECT)
    assert inner.answer(QUESTION, in_form(form)).text.lstrip().startswith("{")


@pytest.mark.parametrize("temperature", [0.0, 0.4])
def test_an_answer_in_a_form_cut_anywhere_is_resumed_in_it(
    inner: InnerEngine, temperature: float
) -> None:
    sampling = in_form(schema(SCHEMA), temperature)
    whole = inner.answer("Name a part.", sampling)
    for cut in range(len(whole.ids) + 1):
        rest = inner.answer("Name a part.", sampling, committed=tuple(whole.ids[:cut]))
        assert whole.ids[:cut] + rest.ids == whole.ids


def test_committed_tokens_that_break_the_grammar_are_refused(inner: InnerEngine) -> None:
    foreign = inner.answer(QUESTION, Sampling(5, 0.0))
    heard = inner.answer(QUESTION, in_form(grammar('root ::= "1"+')), committed=tuple(foreign.ids))
    assert heard.failed.code is JobErrorCode.INVALID_REQUEST
    assert "grammar" in heard.failed.message


def nested(levels: int) -> str:
    return "root ::= " + "(" * levels + '"a"' + ")" * levels


BROKEN = {
    "no rule": grammar("nothing here"),
    "no root": grammar('start ::= "a"'),
    "unknown rule": grammar("root ::= other"),
    "left recursion": grammar('root ::= root "a"'),
    "an open string": grammar('root ::= "a'),
    "a zero": grammar('root ::= "a\0"'),
    "too deep": grammar(nested(10_000)),
    "too many": grammar('root ::= "a"{100000,}'),
    "no JSON": ResponseFormat(ResponseFormatType.JSON_SCHEMA, schema="{"),
    "an unknown type": schema({"type": "thing"}),
    "a reference outside": schema({"$ref": "https://example.org/schema.json"}),
    "a reference to nothing": schema({"$ref": "#/$defs/nothing"}),
    "too many items": schema({"type": "array", "items": {}, "minItems": 10**9}),
    "a pattern": schema({"type": "string", "pattern": "a(b"}),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_form_that_cannot_be_used_is_refused_by_name(inner: InnerEngine, name: str) -> None:
    inner.ask("beside", QUESTION)
    heard = inner.answer(QUESTION, in_form(BROKEN[name]))
    assert heard.failed.code is JobErrorCode.INVALID_GRAMMAR
    assert heard.failed.message.startswith("The answer's format cannot be used: ")
    assert inner.of("beside").done.finish_reason is FinishReason.STOP


def test_a_callers_grammar_is_not_logged(
    inner: InnerEngine, capfd: pytest.CaptureFixture[str]
) -> None:
    inner.answer(QUESTION, in_form(grammar("heliotrope")))
    assert "heliotrope" not in "".join(capfd.readouterr())
