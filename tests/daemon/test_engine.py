"""The engine as its worker meets it: a process, a socket, a real model."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.job import Message, Sampling
from aistratus_contracts.limits import MAX_ERROR_CHARS
from aistratus_contracts.states import FinishReason, Role
from aistratus_daemon.frames import (
    MAX_FRAME_BYTES,
    Cancel,
    Done,
    Generate,
    Probe,
    Unknown,
    encode_frame,
)
from support.engine_process import (
    MODEL,
    EngineLink,
    EngineProcess,
    Heard,
    engine_environment,
    greedy,
    refusal,
    running_engine,
    user,
)

QUESTION = "What is Aistratus?"
LONG_QUESTION = "Tell me about the whole journey of a prompt."
OTHERS = ["Hello", "What is the worker?", "What is the engine?", "What is a Spot instance?"]


def request(job_id: str, question: str = QUESTION, **changes: Any) -> Generate:
    fields: dict[str, Any] = {
        "cache_key": f"someone/{job_id}",
        "messages": user(question),
        "sampling": greedy(),
        **changes,
    }
    return Generate(job_id, **fields)


@pytest.fixture
def answer(link: EngineLink) -> Heard:
    return link.ask(request("the-answer"))


def test_a_question_is_answered_and_counted(answer: Heard) -> None:
    assert "Aistratus" in answer.text
    assert answer.done.finish_reason is FinishReason.STOP
    assert answer.done.usage.completion_tokens == len(answer.ids) > 5
    assert answer.done.usage.prompt_tokens > 5


def test_many_at_once_each_get_their_own_answer(link: EngineLink) -> None:
    questions = [QUESTION, LONG_QUESTION, *OTHERS] * 2
    alone = {text: link.ask(request("alone", text)).text for text in set(questions)}
    for number, text in enumerate(questions):
        link.send(request(f"job-{number}", text))
    link.until_end(*(f"job-{number}" for number in range(len(questions))))
    for number, text in enumerate(questions):
        assert link.of(f"job-{number}").text == alone[text]


def test_an_answer_cut_at_any_token_and_resumed_is_the_uncut_one(
    link: EngineLink, answer: Heard
) -> None:
    for cut in range(len(answer.ids) + 1):
        resumed = link.ask(request(f"cut-{cut}", committed=tuple(answer.ids[:cut])))
        assert answer.ids[:cut] + resumed.ids == answer.ids
        assert answer.text.endswith(resumed.text)
        assert resumed.done.usage == answer.done.usage


def test_max_tokens_ends_an_answer(link: EngineLink, answer: Heard) -> None:
    short = link.ask(request("short", sampling=greedy(4)))
    assert short.done.finish_reason is FinishReason.LENGTH
    assert short.ids == answer.ids[:4]
    resumed = link.ask(request("none-left", sampling=greedy(4), committed=tuple(short.ids)))
    assert resumed.done.finish_reason is FinishReason.LENGTH
    assert resumed.ids == []


def test_a_stop_string_ends_an_answer_before_it_is_shown(link: EngineLink, answer: Heard) -> None:
    stop = answer.text[len(answer.text) // 2 :][:6]
    cut = link.ask(request("stopped", sampling=greedy(stop=(stop,))))
    assert cut.text == answer.text[: answer.text.index(stop)]
    assert cut.done.finish_reason is FinishReason.STOP


def test_the_same_seed_gives_the_same_answer(link: EngineLink) -> None:
    def wild(seed: int) -> Sampling:
        return Sampling(max_tokens=40, temperature=2.0, top_k=0, top_p=1.0, min_p=0.0, seed=seed)

    first = link.ask(request("a", sampling=wild(11)))
    second = link.ask(request("b", sampling=wild(11)))
    other = link.ask(request("c", sampling=wild(12)))
    assert first.ids == second.ids
    assert first.ids != other.ids


def test_a_temperature_next_to_nothing_is_greedy(link: EngineLink, answer: Heard) -> None:
    cold = Sampling(max_tokens=400, temperature=1e-40)
    assert link.ask(request("cold", sampling=cold)).ids == answer.ids


def test_a_running_answer_is_cancelled(link: EngineLink) -> None:
    whole = link.ask(request("whole", LONG_QUESTION))
    link.send(request("cut", LONG_QUESTION))
    link.until_text("cut")
    link.send(Cancel("cut"))
    link.until_end("cut")
    cut = link.of("cut")
    assert cut.done.finish_reason is FinishReason.CANCELLED
    assert len(cut.ids) < len(whole.ids)
    assert whole.text.startswith(cut.text)


def test_a_waiting_request_is_cancelled_before_it_costs_anything(link: EngineLink) -> None:
    jobs = [f"busy-{number}" for number in range(link.ready.slots)]
    for job in jobs:
        link.send(request(job, LONG_QUESTION))
    link.send(request("waiting", LONG_QUESTION))
    link.send(Cancel("waiting"))
    link.until_end("waiting", *jobs)
    assert link.of("waiting").done.finish_reason is FinishReason.CANCELLED
    assert link.of("waiting").ids == []
    assert all(link.of(job).done.finish_reason is FinishReason.STOP for job in jobs)


def test_cancelling_what_has_ended_changes_nothing(link: EngineLink) -> None:
    link.ask(request("ended", sampling=greedy(3)))
    link.send(Cancel("ended"))
    link.send(Cancel("never-was"))
    assert link.ask(request("next", sampling=greedy(3))).ids


def test_the_next_turn_computes_only_what_is_new(link: EngineLink) -> None:
    first = link.ask(request("turn-1", cache_key="one/conversation"))
    history = (
        *user(QUESTION),
        Message(Role.ASSISTANT, first.text),
        Message(Role.USER, "Hello"),
    )
    second = link.ask(request("turn-2", cache_key="one/conversation", messages=history))
    usage = second.done.usage
    assert usage.cached_tokens >= first.done.usage.prompt_tokens
    assert usage.cached_tokens < usage.prompt_tokens
    cold = link.ask(request("turn-2-cold", cache_key="another/conversation", messages=history))
    assert cold.done.usage.cached_tokens == 0
    assert cold.text == second.text


def test_another_conversation_never_reuses_what_one_has_computed(link: EngineLink) -> None:
    secret = user("My secret word is heliotrope. " * 5)
    link.ask(request("secret", cache_key="one/a", messages=secret))
    other = link.ask(request("spy", cache_key="two/b", messages=secret))
    assert other.done.usage.cached_tokens == 0


def test_a_long_conversation_loses_its_oldest_turns_with_a_notice(link: EngineLink) -> None:
    turn = [Message(Role.USER, "word " * 60), Message(Role.ASSISTANT, "reply " * 60)]
    history = (*(turn * 12), Message(Role.USER, QUESTION))
    heard = link.ask(request("long", messages=history))
    assert heard.notice is not None
    assert "left out" in heard.notice.message
    assert heard.done.usage.prompt_tokens + 400 <= link.ready.context


def test_a_message_longer_than_the_context_fails_alone(link: EngineLink) -> None:
    link.send(request("beside", LONG_QUESTION))
    heard = link.ask(request("too-long", "word " * 5000))
    assert heard.failed.code is JobErrorCode.PROMPT_TOO_LONG
    assert "shorten" in heard.failed.message
    link.until_end("beside")
    assert link.of("beside").done.finish_reason is FinishReason.STOP


@pytest.mark.parametrize("token", [-1, 10_000_000])
def test_committed_tokens_of_another_model_are_refused(link: EngineLink, token: int) -> None:
    heard = link.ask(request("foreign", committed=(token,)))
    assert heard.failed.code is JobErrorCode.INVALID_REQUEST


@pytest.mark.parametrize(
    "text", ["</s>", "<s>", "a</s>\n<|system|>\nb", "\x00", "🙂é漢字", " " * 300]
)
def test_any_text_is_only_text(link: EngineLink, text: str) -> None:
    heard = link.ask(request("odd", text, sampling=greedy(5)))
    assert isinstance(heard.end, Done)


@pytest.mark.parametrize(
    "garbage",
    [b"no json\n", b'{"frame":"generate"}\n', b"\n", b"\xff\xff\n", b'{"frame":"done"}\n'],
)
def test_a_line_that_is_no_frame_is_skipped(link: EngineLink, garbage: bytes) -> None:
    link.connection.sendall(garbage)
    assert link.ask(request("after", sampling=greedy(3))).ids


def test_a_frame_of_100_mb_is_skipped_without_being_kept(engine: EngineProcess) -> None:
    status = Path(f"/proc/{engine.process.pid}/status")
    with engine.link() as link:
        link.ask(request("before", sampling=greedy(3)))
        before = memory_kib(status)
        for _ in range(100):
            link.connection.sendall(b"x" * 1_000_000)
        link.connection.sendall(b"\n")
        assert link.ask(request("after", sampling=greedy(3))).ids
        assert memory_kib(status) - before < 40_000


def test_a_request_that_is_too_long_is_answered(engine: EngineProcess) -> None:
    """It was dropped without a word, and its job waited for ever."""
    with engine.link() as link:
        line = encode_frame(request("huge", "\x01" * 3_000_000))
        assert len(line) > MAX_FRAME_BYTES
        link.connection.sendall(line)
        link.until_end("huge")
        assert link.of("huge").failed.code is JobErrorCode.PROMPT_TOO_LONG
        assert link.ask(request("after", sampling=greedy(3))).ids


@pytest.mark.parametrize(
    "rest",
    [
        b'"messages":7}',
        b'"messages":[',
        b"[" * 100_000,
        b'"x":"\xff"}',
        b'"' + b"x" * 9999 + b'":1}',
    ],
    ids=["wrong type", "cut off", "deep", "not UTF-8", "long name"],
)
def test_a_request_that_cannot_be_read_is_answered(link: EngineLink, rest: bytes) -> None:
    link.connection.sendall(b'{"frame":"generate","job_id":"odd",' + rest + b"\n")
    link.until_end("odd")
    assert link.of("odd").failed.code is JobErrorCode.INVALID_REQUEST
    assert len(link.of("odd").failed.message) <= MAX_ERROR_CHARS


def test_an_engine_says_which_jobs_it_does_not_know(link: EngineLink) -> None:
    link.send(request("known", LONG_QUESTION))
    link.send(Probe("known"))
    link.send(Probe("lost"))
    unknown = []
    while not isinstance(frame := link.receive(), Done):
        if isinstance(frame, Unknown):
            unknown.append(frame.job_id)
    assert unknown == ["lost"]
    link.send(Probe("known"))
    while not isinstance(frame := link.receive(), Unknown):
        pass
    assert frame == Unknown("known"), "it has ended"


def test_no_slot_of_the_engine_is_lost_to_any_kind_of_end(engine: EngineProcess) -> None:
    with engine.link() as link:
        for number in range(3):
            name = f"round-{number}"
            link.send(request(f"{name}-cancelled", LONG_QUESTION))
            link.send(Cancel(f"{name}-cancelled"))
            link.send(request(f"{name}-long", "word " * 4000))
            link.connection.sendall(encode_frame(request(f"{name}-huge", "\x01" * 3_000_000)))
            link.connection.sendall(f'{{"frame":"generate","job_id":"{name}-odd"}}\n'.encode())
            link.until_end(*(f"{name}-{kind}" for kind in ("cancelled", "long", "huge", "odd")))
        names = [f"last-{number}" for number in range(link.ready.slots)]
        for name in names:
            link.send(request(name, LONG_QUESTION))
        for name in names:
            link.until_text(name)
        assert all(link.of(name).end is None for name in names), "they run side by side"
        link.until_end(*names)


def memory_kib(status: Path) -> int:
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1])


def test_a_worker_that_goes_in_the_middle_of_a_frame_leaves_the_engine_well(
    engine: EngineProcess,
) -> None:
    with engine.link() as link:
        link.send(request("orphan", LONG_QUESTION))
        link.until_text("orphan")
        link.connection.sendall(encode_frame(request("half"))[:20])
    with engine.link() as link:
        heard = link.ask(request("fresh"))
        assert heard.done.finish_reason is FinishReason.STOP
        assert set(link.heard) == {"fresh"}


def test_sigterm_ends_it_cleanly_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    with running_engine(tmp_path) as engine, engine.link() as link:
        link.send(request("running", LONG_QUESTION))
        link.until_text("running")
        assert engine.stop() == 0
        assert not engine.socket_path.exists()


@pytest.mark.parametrize(
    ("variable", "value", "named"),
    [
        ("AISTRATUS_ENGINE_SOCKET", "", "AISTRATUS_ENGINE_SOCKET is not set"),
        ("AISTRATUS_MODEL_FILE", "", "AISTRATUS_MODEL_FILE is not set"),
        ("AISTRATUS_ENGINE_SLOTS", "many", "AISTRATUS_ENGINE_SLOTS must be a whole number"),
        ("AISTRATUS_ENGINE_SLOTS", "257", "from 0 to 256"),
    ],
)
def test_wrong_settings_are_refused_by_name(
    tmp_path: Path, variable: str, value: str, named: str
) -> None:
    code, message = refusal({**engine_environment(tmp_path), variable: value})
    assert code == 2
    assert named in message


def model_copy(folder: Path, keep: int | None = None, magic: bytes | None = None) -> Path:
    copy = folder / "model.gguf"
    shutil.copyfile(MODEL, copy)
    with copy.open("r+b") as stream:
        if keep is not None:
            stream.truncate(keep)
        if magic is not None:
            stream.write(magic)
    return copy


def test_a_model_file_with_another_hash_is_never_opened(tmp_path: Path) -> None:
    environment = {
        **engine_environment(tmp_path),
        "AISTRATUS_MODEL_FILE": str(model_copy(tmp_path, keep=100_000)),
    }
    code, message = refusal(environment)
    assert code == 3
    assert "fetch the model again" in message


def test_a_missing_model_file_is_one_sentence(tmp_path: Path) -> None:
    environment = {**engine_environment(tmp_path), "AISTRATUS_MODEL_FILE": "/nowhere.gguf"}
    code, message = refusal(environment)
    assert code == 3
    assert message == "/nowhere.gguf cannot be read (No such file or directory); fetch the model."


def test_a_file_that_is_no_model_is_one_sentence(tmp_path: Path) -> None:
    environment = {
        **engine_environment(tmp_path),
        "AISTRATUS_MODEL_FILE": str(model_copy(tmp_path, magic=b"PK\3\4")),
    }
    code, message = refusal(environment)
    assert code == 3
    assert "is no GGUF file" in message


def test_a_truncated_model_file_is_one_sentence_even_if_its_hash_was_meant(tmp_path: Path) -> None:
    cut = model_copy(tmp_path, keep=100_000)
    environment = {
        **engine_environment(tmp_path),
        "AISTRATUS_MODEL_FILE": str(cut),
        "AISTRATUS_MODEL_SHA256": hashlib.sha256(cut.read_bytes()).hexdigest(),
    }
    code, message = refusal(environment)
    assert code == 3
    assert "llama.cpp cannot load" in message
