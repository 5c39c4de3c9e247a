"""`python -m aistratus_daemon.engine.form_trial`: tries strangers' forms where they do no harm.

The engine starts it and talks to it over its standard input and output, in lines of JSON: the
vocabulary first, then one form after the other. Each form is tried in a process of its own, with
limits on CPU time and memory: compiled, then followed for a few tokens. A form that crashes, runs
on or grows there harms nobody.
"""

import base64
import json
import os
import random
import resource
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, BinaryIO, Final

import llguidance

from aistratus_contracts import codec
from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.job import ResponseFormat
from aistratus_daemon.engine import grammar
from aistratus_daemon.errors import RequestRefused

# A trial's own CPU time. An ordinary schema of 2 KB takes some 10 ms.
CPU_SECONDS: Final = 0.5
# After this time a trial counts as stuck, however busy the machine is.
WALL_SECONDS: Final = 5.0
MEMORY_BYTES: Final = 256 * 1024 * 1024
# The trial follows the form with tokens drawn at random, up to this many and for this long.
STEPS: Final = 16
STEPS_SECONDS: Final = 0.005
# One step that takes longer would hold up an answer.
MAX_STEP_SECONDS: Final = 0.2
# How long a compiled grammar may be, as text.
MAX_GRAMMAR_CHARS: Final = 2 * 1024 * 1024
_CODE: Final = "code"


def main() -> None:
    """Answer until standard input ends, which means that the engine has gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    head = json.loads(requests.readline())
    pieces = [base64.b64decode(text) for text in head["pieces"]]
    tokenizer = grammar.new_tokenizer(pieces, head["ends"])
    _reply(answers, {"ready": True})
    while line := requests.readline():
        wanted = codec.from_plain(ResponseFormat, json.loads(line))
        _reply(answers, apart(lambda it=wanted: _tried(tokenizer, it)))  # type: ignore[misc]


def _reply(answers: BinaryIO, document: dict[str, Any]) -> None:
    answers.write(json.dumps(document).encode() + b"\n")
    answers.flush()


def apart(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Run `work` in a child with limits; returns its answer, or `too_costly` if none comes."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _limit()
        with os.fdopen(writing, "wb") as answers:
            _reply(answers, work())
        os._exit(0)
    os.close(writing)
    try:
        return _heard(reading)
    finally:
        os.close(reading)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _limit() -> None:
    for number in (signal.SIGPROF, signal.SIGABRT, signal.SIGSEGV):
        signal.signal(number, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - a child wants few calls
        pages = int(file.read().split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    # A dying child's last words interest nobody, and may show the caller's text.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, sys.stderr.fileno())


def _heard(reading: int) -> dict[str, Any]:
    deadline = time.monotonic() + WALL_SECONDS
    heard = bytearray()
    while not heard.endswith(b"\n"):
        ready, _, _ = select.select([reading], [], [], max(0.0, deadline - time.monotonic()))
        chunk = os.read(reading, 1 << 16) if ready else b""
        if not chunk:
            return _as_answer(grammar.too_costly())
        heard += chunk
    answer: dict[str, Any] = json.loads(heard)
    return answer


def _as_answer(refusal: RequestRefused) -> dict[str, Any]:
    return {_CODE: refusal.code.value, "message": str(refusal)}


def _tried(tokenizer: llguidance.LLTokenizer, wanted: ResponseFormat) -> dict[str, Any]:
    try:
        source = grammar.compiled(wanted)
        if len(source) > MAX_GRAMMAR_CHARS:
            raise grammar.too_costly()
        _follow(grammar.new_matcher(tokenizer, source))
    except RequestRefused as refusal:
        return _as_answer(refusal)
    except MemoryError:
        return _as_answer(grammar.too_costly())
    return {"grammar": source}


def _follow(matcher: llguidance.LLMatcher) -> None:
    """Draw a few tokens; raises `RequestRefused` for a form that gets costly."""
    draw = random.Random(0)  # noqa: S311 - any path will do, and the same each time
    began = time.process_time()
    for _ in range(STEPS):
        before = time.process_time()
        mask = int.from_bytes(matcher.compute_bitmask(), "little")
        spent = time.process_time() - before
        if matcher.is_error() or spent > MAX_STEP_SECONDS:
            raise grammar.too_costly()
        if matcher.is_stopped() or not mask or time.process_time() - began > STEPS_SECONDS:
            return
        if not matcher.consume_token(_one_of(mask, draw)):
            raise grammar.too_costly()


def _one_of(mask: int, draw: random.Random) -> int:
    """Any of the tokens that a mask allows."""
    start = draw.randrange(mask.bit_length())
    later = mask >> start
    return start + (later & -later).bit_length() - 1


def refusal_of(answer: dict[str, Any]) -> RequestRefused | None:
    """The refusal in an answer, if there is one."""
    if _CODE not in answer:
        return None
    return RequestRefused(JobErrorCode(answer[_CODE]), answer["message"])


if __name__ == "__main__":
    main()
