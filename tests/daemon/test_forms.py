"""Forms that strangers send: what they cost, and that nobody else pays for it."""

import json
import time
from typing import Any

import pytest

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.job import ResponseFormat, Sampling
from aistratus_contracts.states import FinishReason, ResponseFormatType
from aistratus_daemon.engine.forms import Verdicts, digest_of
from aistratus_daemon.engine.grammar import too_costly
from aistratus_daemon.frames import Failed, Generate
from support.engine_process import EngineLink, greedy, user
from support.inner_engine import InnerEngine, InnerForms

LONG_RULES = " ".join(f"n{number}" for number in range(12))
NULLABLE = "\n".join(f'n{number} ::= ("a" | "b{number}")?' for number in range(12))
REFERENCES: dict[str, Any] = {
    "$defs": {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(24)},
    "$ref": "#/$defs/d0",
}
REFERENCES["$defs"]["d24"] = {"type": "integer"}


def by_grammar(source: str) -> ResponseFormat:
    return ResponseFormat(ResponseFormatType.GRAMMAR, grammar=source)


def by_schema(document: object) -> ResponseFormat:
    return ResponseFormat(ResponseFormatType.JSON_SCHEMA, schema=json.dumps(document))


def exploding(levels: int) -> str:
    """Each rule is the one before it, twice, in two ways: stacks double with every level."""
    rules = [f"r{n} ::= r{n + 1} r{n + 1} | r{n + 1}" for n in range(levels)]
    return "\n".join(["root ::= r0", *rules, f'r{levels} ::= "a"?'])


HOSTILE = {
    "nested repetitions": by_grammar(
        'root ::= r1{0,100}\nr1 ::= r2{0,100}\nr2 ::= r3{0,100}\nr3 ::= "a"?'
    ),
    "repetitions by rules": by_grammar('root ::= b{0,256}\nb ::= c{0,256}\nc ::= "a"{0,256}'),
    "repetitions in one rule": by_grammar('root ::= ("a"{0,500}){0,500}'),
    "nullable rules": by_grammar(f"root ::= {LONG_RULES}\n{NULLABLE}"),
    "stacks of 20": by_grammar(exploding(20)),
    "stacks of 24": by_grammar(exploding(24)),
    "ambiguous": by_grammar('root ::= "a" | "a" root | "a" root root | "a" root root root'),
    "more at least than at most": by_grammar('root ::= "a"{5,2}'),
    "an optional beginning": by_grammar('root ::= ("a"?) root "b" | "c"'),
    "a large grammar": by_grammar("root ::= " + '"abcdefgh" | ' * 1200 + '"x"'),
    "a pattern that counts far": by_schema({"type": "string", "pattern": "^a{1000000000}$"}),
    "a pattern of a class": by_schema({"type": "string", "pattern": "^[a]{0,100000000}$"}),
    "a pattern that doubles": by_schema({"type": "string", "pattern": "^(a|b)*a(a|b){40}$"}),
    "a pattern in patterns": by_schema({"type": "string", "pattern": "((a{9}b?){9}c?){9}"}),
    "references that double": by_schema(REFERENCES),
    "a reference to itself": by_schema({"$ref": "#"}),
    "choices that overlap": by_schema({"anyOf": [{"type": "string", "maxLength": 4000}] * 200}),
}


def in_form(form: ResponseFormat, max_tokens: int = 60) -> Sampling:
    return Sampling(max_tokens=max_tokens, temperature=1.0, seed=3, response_format=form)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_form_ends_in_bounded_time_and_harms_nobody(
    inner: InnerEngine, name: str
) -> None:
    inner.ask("beside", "What is Aistratus?")
    began = time.process_time()
    heard = inner.answer("Begin.", in_form(HOSTILE[name]))
    assert time.process_time() - began < 5
    assert inner.of("beside").done.finish_reason is FinishReason.STOP
    if isinstance(heard.end, Failed):
        assert heard.failed.code in {
            JobErrorCode.INVALID_GRAMMAR,
            JobErrorCode.GRAMMAR_TOO_COSTLY,
        }
        assert heard.failed.message.startswith("The answer's format ")


def test_beside_sixteen_hostile_forms_an_answer_takes_little_longer(link: EngineLink) -> None:
    """On the engine itself: its process lives, and the neighbour's tokens keep coming."""
    costly = [HOSTILE[name] for name in ("ambiguous", "nested repetitions", "a large grammar")]
    for number in range(12):
        sampling = in_form(costly[number % 3], max_tokens=100)
        link.send(Generate(f"hostile-{number}", f"mallory/{number}", user("Begin."), sampling))
    link.send(Generate("quiet", "alice/quiet", user("What is Aistratus?"), greedy()))
    link.until_end("quiet")
    assert link.of("quiet").done.finish_reason is FinishReason.STOP
    link.until_end(*(f"hostile-{number}" for number in range(12)))


def test_a_verdict_is_remembered(inner: InnerEngine) -> None:
    form = by_schema({"type": "object", "properties": {"once": {"type": "integer"}}})
    asked: list[object] = []
    ask = inner.forms._ask
    inner.forms._ask = lambda document: asked.append(document) or ask(document)  # type: ignore[method-assign,func-returns-value]
    try:
        for _ in range(3):
            inner.answer("Begin.", in_form(form))
    finally:
        inner.forms._ask = ask  # type: ignore[method-assign]
    assert len(asked) == 1


def test_a_form_that_turns_out_costly_is_refused_from_then_on(inner: InnerEngine) -> None:
    form = by_grammar('root ::= "condemned"')
    assert inner.answer("Begin.", in_form(form)).text == "condemned"
    inner.forms._verdicts.put(digest_of(form), too_costly())
    assert inner.answer("Begin.", in_form(form)).failed.code is JobErrorCode.GRAMMAR_TOO_COSTLY


def test_a_trial_that_is_killed_is_started_again(inner: InnerEngine) -> None:
    inner.answer("Begin.", in_form(by_grammar('root ::= "first"')))
    trial = inner.forms._trial
    assert trial is not None
    trial.kill()
    trial.wait()
    refused = inner.answer("Begin.", in_form(by_grammar('root ::= "second"')))
    assert refused.failed.code is JobErrorCode.ENGINE_FAILED
    assert "send it again" in refused.failed.message
    assert inner.answer("Begin.", in_form(by_grammar('root ::= "second"'))).text == "second"


def test_a_request_that_is_cancelled_while_its_form_is_made_ready_ends(
    inner: InnerEngine, forms: InnerForms
) -> None:
    inner.ask("cancelled", "Begin.", in_form(HOSTILE["stacks of 20"]))
    inner.scheduler.cancel("cancelled")
    assert inner.of("cancelled").done.finish_reason is FinishReason.CANCELLED
    # What the trial says of it is for nobody.
    assert inner.answer("Begin.", in_form(by_grammar('root ::= "next"'))).text == "next"
    assert inner.of("cancelled").done.finish_reason is FinishReason.CANCELLED


def test_verdicts_are_bounded_in_number_and_size() -> None:
    verdicts = Verdicts()
    for number in range(2000):
        verdicts.put(str(number), "x" * 100_000)
    assert len(verdicts._known) < 200
    assert verdicts.get("1999") is not None
    assert verdicts.get("0") is None
