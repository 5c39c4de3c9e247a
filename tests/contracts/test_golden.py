"""One golden file per type and version: what is on the wire and at rest does not drift."""

import json
import re
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import aistratus_contracts
from aistratus_contracts import event, invocation, job, models, prices, problem, schedule
from aistratus_contracts.codec import dumps
from aistratus_contracts.errors import (
    Ambiguous,
    ContractError,
    ErrorCode,
    JobErrorCode,
    Malformed,
    MissingField,
    NoticeCode,
    UnknownVersion,
    WrongType,
)
from aistratus_contracts.states import FinishReason, JobState, ResponseFormatType
from support.event_samples import sample_body

GOLDEN = Path(__file__).parents[2] / "contracts" / "golden"
NOON = datetime(2026, 11, 23, 12, 0, 0, 250_000, tzinfo=UTC)


@dataclass(frozen=True)
class Case:
    file: str
    value: Any
    encode: Callable[[Any], str]
    decode: Callable[[str], Any]


def event_case(name: str) -> Case:
    return Case(
        f"event.{name}.v1.json",
        event.Event(seq=3, attempt=1, at=NOON, body=sample_body(aistratus_contracts, name)),
        event.encode_event,
        event.decode_event,
    )


FIRST_SAMPLING = job.Sampling(max_tokens=64, temperature=0.5, seed=7, stop=("\n\n", "é"))
SAMPLING = replace(
    FIRST_SAMPLING,
    logit_bias=(job.LogitBias(7, -100.0),),
    response_format=job.ResponseFormat(ResponseFormatType.JSON_SCHEMA, schema='{"type":"object"}'),
)
JOB = job.Job(
    job_id="job-aaaaaaaaaaaaaaaaaaaaaaaa",
    owner="6f1b",
    conversation_id="conv-bbbbbbbbbbbbbbbbbbbbbbbb",
    turn=2,
    model="tinyllama",
    sampling=SAMPLING,
    created_at=NOON,
    expires_at=1_800_000_000,
)
CASES = [
    Case(
        "job.v1.json",
        JOB,
        job.encode_job,
        job.decode_job,
    ),
    Case("job_head.v1.json", JOB.head, job.encode_job_head, job.decode_job_head),
    Case(
        "queue_message.v1.json",
        job.QueueMessage("job-aaaaaaaaaaaaaaaaaaaaaaaa"),
        job.encode_queue_message,
        job.decode_queue_message,
    ),
    Case(
        "catalogue.v1.json",
        models.Catalogue(
            (models.ModelCard("tinyllama", "TinyLlama 1.1B", 2048, 512, 0.7, "Apache-2.0"),)
        ),
        models.encode_catalogue,
        models.decode_catalogue,
    ),
    Case(
        "schedule.v1.json",
        schedule.Schedule(
            (schedule.Hours("Europe/Berlin", "08:00", "18:00", ("mon", "tue", "wed")),)
        ),
        schedule.encode_schedule,
        schedule.decode_schedule,
    ),
    Case(
        "invocation.v1.json",
        invocation.Invocation(3, "function-aaaaaaaa"),
        invocation.encode_invocation,
        invocation.decode_invocation,
    ),
    Case(
        "prices.v1.json",
        prices.Prices(0.0000391669, 0.40256),
        prices.encode_prices,
        prices.decode_prices,
    ),
    *(event_case(kind) for kind in event.EVENT_BODIES),
    Case(
        "problem.json",
        problem.Problem(
            422,
            ErrorCode.INVALID_REQUEST,
            "Invalid request",
            "A field is not as it should be.",
            (problem.FieldError("/messages/0/role", "must be 'user'"),),
        ),
        lambda value: dumps(problem.problem_to_plain(value)),
        lambda text: problem.problem_from_plain(json.loads(text)),
    ),
]
VERSIONED = [case for case in CASES if ".v1." in case.file]


def ids(case: Case) -> str:
    return case.file


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_encoding_is_the_golden_file(case: Case) -> None:
    assert json.loads(case.encode(case.value)) == json.loads((GOLDEN / case.file).read_text()), (
        "The golden file is another. To add a field: run "
        "PYTHONPATH=tests python tests/contracts/test_golden.py."
    )


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_the_golden_file_decodes_to_the_value(case: Case) -> None:
    assert case.decode((GOLDEN / case.file).read_text()) == case.value


def test_a_job_from_before_biases_and_formats_still_reads() -> None:
    written_then = (GOLDEN / "job.first.v1.json").read_text()

    assert job.decode_job(written_then) == replace(JOB, sampling=FIRST_SAMPLING)


@pytest.mark.parametrize(
    "wanted",
    [
        None,
        job.ResponseFormat(ResponseFormatType.JSON_OBJECT),
        job.ResponseFormat(ResponseFormatType.JSON_SCHEMA, schema='{"const":"\\u0000 é"}'),
        job.ResponseFormat(ResponseFormatType.GRAMMAR, grammar='root ::= "é" [\\n"]\n# ü\n'),
    ],
)
def test_whatever_an_answer_must_look_like_goes_there_and_back(
    wanted: job.ResponseFormat | None,
) -> None:
    sent = replace(JOB, sampling=replace(SAMPLING, response_format=wanted))

    assert job.decode_job(job.encode_job(sent)) == sent


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"logit_bias": [{"token": "13", "bias": 1.0}]}, "LogitBias.token"),
        ({"logit_bias": [{"token": 13, "bias": True}]}, "LogitBias.bias"),
        ({"logit_bias": [{"token": 13}]}, "'bias'"),
        ({"logit_bias": {"13": 1.0}}, "Sampling.logit_bias"),
        ({"response_format": {"type": "text"}}, "one of json_object, json_schema, grammar"),
        ({"response_format": {"type": "json_schema", "schema": {}}}, "ResponseFormat.schema"),
    ],
)
def test_what_is_wrong_in_a_sampling_is_named(change: dict[str, Any], named: str) -> None:
    document = json.loads(job.encode_job(JOB))
    document["sampling"] |= change

    with pytest.raises(ContractError, match=named):
        job.decode_job(json.dumps(document))


@pytest.mark.parametrize("case", VERSIONED, ids=ids)
def test_another_version_is_refused_by_name(case: Case) -> None:
    document = json.loads(case.encode(case.value))
    for version in (2, 0):
        with pytest.raises(UnknownVersion, match=f"version {version}"):
            case.decode(json.dumps(document | {"v": version}))
    for no_version in ("1", True, None, 1.0):
        with pytest.raises(WrongType, match=r"\.v must be"):
            case.decode(json.dumps(document | {"v": no_version}))
    del document["v"]
    with pytest.raises(MissingField, match="'v'"):
        case.decode(json.dumps(document))


@pytest.mark.parametrize("case", CASES, ids=ids)
def test_unknown_fields_are_passed_over_however_deep(case: Case) -> None:
    def grown(value: Any) -> Any:
        if isinstance(value, dict):
            return {"surprise": [1]} | {name: grown(item) for name, item in value.items()}
        return [grown(item) for item in value] if isinstance(value, list) else value

    document = json.loads(case.encode(case.value))
    assert case.decode(json.dumps(grown(document))) == case.value


@pytest.mark.parametrize("case", VERSIONED, ids=ids)
@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"x"', "null"])
def test_what_is_no_object_is_refused(case: Case, text: str) -> None:
    with pytest.raises(Malformed):
        case.decode(text)


@pytest.mark.parametrize("case", VERSIONED, ids=ids)
def test_each_missing_field_is_named(case: Case) -> None:
    document = json.loads(case.encode(case.value))
    optional = {each.name for each in fields(case.value) if each.default is not MISSING}
    for field in document.keys() - optional:
        rest = {key: item for key, item in document.items() if key != field}
        with pytest.raises(MissingField):
            case.decode(json.dumps(rest))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seq": "3"}, "seq"),
        ({"seq": True}, "seq"),
        ({"seq": 3.0}, "seq"),
        ({"at": "yesterday"}, "at"),
        ({"at": "2026-11-23T12:00:00"}, "at"),
        ({"at": 5}, "at"),
        ({"delta": {"text": "x", "token_ids": 5}}, "token_ids"),
        ({"delta": {"text": "x", "token_ids": [1, "2"]}}, "token_ids"),
        ({"delta": {"text": None, "token_ids": []}}, "text"),
    ],
)
def test_a_wrong_type_names_its_field(change: dict[str, Any], named: str) -> None:
    good = event.Event(3, 1, NOON, event.Delta("x", (1,)))
    with pytest.raises(WrongType, match=named):
        event.decode_event(json.dumps(event.event_to_plain(good) | change))


def test_an_event_holds_exactly_one_thing() -> None:
    good = event.event_to_plain(event.Event(3, 1, NOON, event.Delta("x", (1,))))
    usage = {"prompt_tokens": 1, "cached_tokens": 0, "completion_tokens": 1}
    with pytest.raises(Ambiguous, match="'delta' and 'usage'"):
        event.event_from_plain(good | {"usage": usage})
    del good["delta"]
    with pytest.raises(MissingField, match=r"state\|delta"):
        event.event_from_plain(good)


def test_an_event_of_an_unknown_kind_keeps_its_number_and_is_passed_on_as_it_came() -> None:
    known = event.event_to_plain(event.Event(3, 1, NOON, event.Delta("x", (1,))))
    del known["delta"]
    document = known | {"citation": {"url": "https://example.org", "spans": [[1, 2]]}}

    read = event.event_from_plain(document)

    assert (read.seq, read.attempt, read.at, read.ends_job) == (3, 1, NOON, False)
    assert isinstance(read.body, event.UnknownBody)
    assert event.event_to_plain(read) == document


def test_unknown_codes_become_the_general_one() -> None:
    def read(name: str, body: dict[str, Any]) -> Any:
        header = {"v": 1, "seq": 1, "attempt": 0, "at": "2026-11-23T12:00:00Z"}
        return event.event_from_plain(header | {name: body}).body

    told = {"code": "of_tomorrow", "message": "Said."}
    assert read("error", told) == event.JobError(JobErrorCode.OTHER, "Said.")
    assert read("notice", told) == event.Notice(NoticeCode.OTHER, "Said.")
    ended = read("state", {"state": "succeeded", "finish_reason": "tomorrow"})
    assert ended == event.StateChange(JobState.SUCCEEDED, FinishReason.OTHER)
    refused = json.loads((GOLDEN / "problem.json").read_text()) | {"code": "of_tomorrow"}
    assert problem.problem_from_plain(refused).code is ErrorCode.OTHER
    with pytest.raises(WrongType, match=r"JobError\.code"):
        read("error", {"code": 7, "message": "Said."})


def test_an_unknown_state_is_refused_with_the_choices() -> None:
    document = event.event_to_plain(event.Event(1, 0, NOON, event.StateChange(JobState.QUEUED)))
    with pytest.raises(WrongType, match="queued, running"):
        event.event_from_plain(document | {"state": {"state": "sleeping"}})


def test_ids_match_their_patterns_and_differ() -> None:
    made = {job.new_job_id() for _ in range(100)}
    assert len(made) == 100
    assert all(re.match(job.JOB_ID_PATTERN, item) for item in made)
    assert re.match(job.CONVERSATION_ID_PATTERN, job.new_conversation_id())


def write() -> None:
    """The files as they would be written today."""
    for case in CASES:
        document = json.loads(case.encode(case.value))
        text = json.dumps(document, ensure_ascii=False, indent=2) + "\n"
        (GOLDEN / case.file).write_text(text)


if __name__ == "__main__":
    write()
