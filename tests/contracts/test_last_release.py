"""The last release reads what this one writes, and this one what the last one wrote."""

import dataclasses
import importlib
import inspect
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from support.event_samples import KINDS, sample_body

FROZEN = Path(__file__).parent / "last_release"
PACKAGE = "aistratus_contracts"
MODULES = ("codec", "errors", "event", "job", "models", "problem", "states", "table")
READER = re.compile(r"decode_\w+|read_\w+|\w+_from_plain")
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


# The contracts of one release: its modules by their names.
Release = SimpleNamespace


def load() -> Release:
    """The release that is imported from here just now."""
    return Release(**{name: importlib.import_module(f"{PACKAGE}.{name}") for name in MODULES})


def load_frozen() -> Release:
    """The last release, beside this one: modules keep what they have imported from each other."""
    (wheel,) = FROZEN.glob("*.whl")
    present = {name: sys.modules.pop(name) for name in list(sys.modules) if is_contract(name)}
    sys.path.insert(0, str(wheel))
    try:
        release = load()
    finally:
        sys.path.remove(str(wheel))
        for name in list(filter(is_contract, sys.modules)):
            del sys.modules[name]
        sys.modules.update(present)
    assert str(wheel) in release.job.__file__
    return release


def is_contract(module: str) -> bool:
    return module.partition(".")[0] == PACKAGE


THIS, LAST = load(), load_frozen()
KINDS_OF_LAST = {file.name.split(".")[1] for file in FROZEN.glob("golden/event.*.json")}


@dataclass(frozen=True)
class Document:
    """A document: a value of it, how a release writes it, and by what function it is read."""

    name: str
    reader: str
    make: Callable[[Release], Any]
    write: Callable[[Release, Any], Any]

    def is_known_to(self, release: Release) -> bool:
        module, _, function = self.reader.partition(".")
        return self.name not in NEW_KINDS and hasattr(getattr(release, module), function)

    def read(self, release: Release, written: Any) -> Any:
        module, _, function = self.reader.partition(".")
        return getattr(getattr(release, module), function)(written)


def job_of(of: Release) -> Any:
    return of.job.Job(
        job_id="job-a",
        owner="ann",
        conversation_id="conv-b",
        turn=1,
        model="small",
        sampling=of.job.Sampling(
            max_tokens=5,
            temperature=0.5,
            seed=7,
            stop=("x",),
            logit_bias=(of.job.LogitBias(7, -100.0),),
            response_format=of.job.ResponseFormat(
                of.states.ResponseFormatType.JSON_SCHEMA, schema='{"type":"object"}'
            ),
        ),
        created_at=NOON,
        expires_at=1_800_000_000,
    )


def long_job_of(of: Release) -> Any:
    job = job_of(of)
    return dataclasses.replace(job, sampling=dataclasses.replace(job.sampling, stop=(LONG,)))


def cursor_of(of: Release) -> Any:
    return of.job.Cursor(of.states.JobState.RUNNING, 2, 7, True, "abc", 1)


def turns_of(of: Release) -> Any:
    said = (of.job.Message(of.states.Role.USER, "Hello 🙂"),)
    answer = of.table.Answer(of.states.JobState.SUCCEEDED, "Hi")
    return (of.table.Turn(1, "job-a", said, NOON, answer),)


def write_turns(of: Release, turns: Any) -> list[Any]:
    (turn,) = turns
    job = job_of(of)
    return [of.table.answer_item(job, turn.answer), of.table.prompt_item(job, turn.messages)]


def event_document(kind: str) -> Document:
    return Document(
        f"event: {kind}",
        "event.decode_event",
        lambda of: of.event.Event(3, 1, NOON, sample_body(of, kind)),
        lambda of, event: of.event.encode_event(event),
    )


LONG = "x" * THIS.table.MAX_JOB_BYTES_IN_META
NEW_KINDS = {f"event: {kind}" for kind in THIS.event.EVENT_BODIES.keys() - KINDS_OF_LAST}
DOCUMENTS = [
    Document("job", "job.decode_job", job_of, lambda of, job: of.job.encode_job(job)),
    Document(
        "job head",
        "job.decode_job_head",
        lambda of: job_of(of).head,
        lambda of, head: of.job.encode_job_head(head),
    ),
    Document(
        "DOC item",
        "table.read_document",
        long_job_of,
        lambda of, job: of.table.job_items(of.table.JobRecord(job, cursor_of(of)))[1],
    ),
    Document(
        "queue message",
        "job.decode_queue_message",
        lambda of: of.job.QueueMessage("job-a"),
        lambda of, message: of.job.encode_queue_message(message),
    ),
    Document(
        "catalogue",
        "models.decode_catalogue",
        lambda of: of.models.Catalogue((of.models.ModelCard("a", "A", 2048, 512, 0.7, "MIT"),)),
        lambda of, catalogue: of.models.encode_catalogue(catalogue),
    ),
    *(event_document(kind) for kind in KINDS),
    Document(
        "an event in a page",
        "event.event_from_plain",
        lambda of: of.event.Event(3, 1, NOON, sample_body(of, "delta")),
        lambda of, event: of.event.event_to_plain(event),
    ),
    Document(
        "problem",
        "problem.problem_from_plain",
        lambda of: of.problem.Problem(
            422,
            of.errors.ErrorCode.INVALID_REQUEST,
            "Invalid request",
            "A field is wrong.",
            (of.problem.FieldError("/messages/0/role", "must be 'user'"),),
        ),
        lambda of, problem: of.problem.problem_to_plain(problem),
    ),
    Document(
        "META item",
        "table.read_meta",
        lambda of: of.table.JobRecord(job_of(of), cursor_of(of)),
        lambda of, record: of.table.meta_item(record),
    ),
    Document(
        "EV item",
        "table.read_event",
        lambda of: of.event.Event(3, 1, NOON, sample_body(of, "delta")),
        lambda of, event: of.table.event_item(job_of(of), event),
    ),
    Document("TURN items", "table.read_turns", turns_of, write_turns),
    Document(
        "CONV item",
        "table.read_head",
        lambda of: of.table.ConversationHead("conv-b", "Hello", NOON, NOON, 3),
        lambda of, head: of.table.head_item("ann", head),
    ),
    Document(
        "WORKER item",
        "table.read_worker",
        lambda of: of.table.SignOfLife("i-0abc", NOON, 16, 3, {"tokens_predicted_total": 12}),
        lambda of, sign: of.table.worker_item(sign),
    ),
]
every_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda it: it.name)
# A document, or a kind of event, that is new is no document of the last release.
documents_of_the_last = pytest.mark.parametrize(
    "document", [it for it in DOCUMENTS if it.is_known_to(LAST)], ids=lambda it: it.name
)
GOLDEN_READERS = {
    "catalogue": "models.decode_catalogue",
    "event": "event.decode_event",
    "job": "job.decode_job",
    "problem": "problem.problem_from_plain",
    "queue_message": "job.decode_queue_message",
}


@documents_of_the_last
def test_this_release_s_documents_are_read_by_the_last_one(document: Document) -> None:
    value = document.make(THIS)
    assert_alike(document.read(LAST, document.write(THIS, value)), value)


@documents_of_the_last
def test_the_last_release_s_documents_are_read_by_this_one(document: Document) -> None:
    value = document.make(LAST)
    assert_alike(document.read(THIS, document.write(LAST, value)), value)


def test_a_long_job_is_left_to_others_by_a_release_that_does_not_know_such() -> None:
    item = THIS.table.meta_item(THIS.table.JobRecord(long_job_of(THIS), cursor_of(THIS)))
    if hasattr(LAST.table, "read_document"):
        assert_alike(LAST.table.read_meta(item).job, job_of(THIS))
        return
    with pytest.raises(LAST.errors.UnknownVersion, match="version 2"):
        LAST.table.read_meta(item)


@pytest.mark.parametrize("file", sorted(FROZEN.glob("golden/*.json")), ids=lambda path: path.name)
def test_the_last_release_s_golden_files_are_read_by_this_one(file: Path) -> None:
    text: Any = file.read_text()
    reader = GOLDEN_READERS[file.name.partition(".")[0]]
    golden = Document(file.name, reader, job_of, lambda *_: text)
    written = json.loads(text) if reader.endswith("_from_plain") else text
    assert_alike(golden.read(THIS, written), golden.read(LAST, written))


@pytest.mark.parametrize("kind", THIS.event.EVENT_BODIES)
def test_a_kind_of_event_that_is_new_is_passed_over_by_the_last_release(kind: str) -> None:
    event = THIS.event.Event(3, 1, NOON, sample_body(THIS, kind))
    written = THIS.event.encode_event(event)
    read = LAST.event.decode_event(written)
    assert (read.seq, read.attempt, read.at) == (3, 1, NOON)
    assert isinstance(read.body, LAST.event.UnknownBody) is (kind not in KINDS_OF_LAST)
    assert json.loads(LAST.event.encode_event(read)) == json.loads(written)


@pytest.mark.parametrize("codes", ["JobErrorCode", "NoticeCode", "ErrorCode", "FinishReason"])
def test_a_code_that_is_new_is_the_general_one_to_the_last_release(codes: str) -> None:
    home = "states" if codes == "FinishReason" else "errors"
    known = getattr(getattr(LAST, home), codes)
    for code in getattr(getattr(THIS, home), codes):
        assert known(code.value).value in (code.value, "other")


@pytest.mark.parametrize("values", ["JobState", "Role", "ResponseFormatType"])
def test_a_new_state_role_or_format_has_a_new_version(values: str) -> None:
    here, there = (
        {item.value for item in getattr(release.states, values)} for release in (THIS, LAST)
    )
    assert here == there or versions(THIS) != versions(LAST)


def test_all_that_the_contracts_read_is_tried() -> None:
    found = {
        f"{name}.{function}"
        for name in MODULES
        if name != "codec"
        for function, _ in inspect.getmembers(getattr(THIS, name), inspect.isfunction)
        if READER.fullmatch(function) and is_of(name, function)
    }
    # The other of two ways to read the same items.
    assert found - {"table.read_turns_backwards"} == {document.reader for document in DOCUMENTS}


def is_of(module: str, function: str) -> bool:
    """Whether a function is the module's own, or of a module within it."""
    home = str(getattr(getattr(THIS, module), function).__module__)
    return f"{home}.".startswith(f"{PACKAGE}.{module}.")


def versions(release: Release) -> tuple[int, ...]:
    return release.job.JOB_VERSION, release.event.EVENT_VERSION, release.table.TURN_VERSION


def assert_alike(read: Any, written: Any) -> None:
    """What both releases know of a value is the same; what one knows more is not compared."""
    assert dict(_shared(read, written)) == dict(_shared(written, read))


def _shared(value: Any, other: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(value):
        names = {field.name for field in dataclasses.fields(value)}
        for name in sorted(names & {field.name for field in dataclasses.fields(other)}):
            yield from _shared(getattr(value, name), getattr(other, name), f"{where}.{name}")
    elif isinstance(value, tuple | list):
        yield where, len(value)
        for index, (item, its_other) in enumerate(zip(value, other, strict=False)):
            yield from _shared(item, its_other, f"{where}[{index}]")
    else:
        yield where, value
