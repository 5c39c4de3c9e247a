"""`python -m aistratus_daemon.engine.form_trial`: tries strangers' forms where they do no harm.

The engine starts it and talks to it over its standard input and output, in lines of JSON: the
vocabulary first, then one form after the other. Each form is tried in a process of its own, with
limits on CPU time and memory: compiled, then followed for a few tokens. A form that crashes, runs
on or grows there harms nobody.
"""

import base64
import json
import random
import signal
import sys
import time
from functools import partial
from typing import Any, BinaryIO, Final

import llguidance

from aistratus_contracts import codec
from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.job import ResponseFormat
from aistratus_daemon.engine import grammar
from aistratus_daemon.engine.trial import apart
from aistratus_daemon.errors import RequestRefused

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
        answer = apart(partial(_tried, tokenizer, wanted))
        _reply(answers, _as_answer(grammar.too_costly()) if answer is None else answer)


def _reply(answers: BinaryIO, document: dict[str, Any]) -> None:
    answers.write(json.dumps(document).encode() + b"\n")
    answers.flush()


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
