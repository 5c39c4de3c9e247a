"""Prepares the forms that answers must follow, beside the loop that computes.

A form is tried in another process before any of it runs here (`form_trial`), and the verdict is
remembered by the form's digest. Then its matcher is made and advanced past the committed part of
the answer. All of this happens in a thread that waits or is in native code, so that no answer
stops for it; the loop takes ready forms between two steps.
"""

import base64
import hashlib
import json
import logging
import queue
import subprocess
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import llguidance

from aistratus_contracts import codec
from aistratus_contracts.errors import JobErrorCode
from aistratus_contracts.job import ResponseFormat
from aistratus_daemon.engine import grammar
from aistratus_daemon.engine.form_trial import refusal_of
from aistratus_daemon.engine.vocabulary import Vocabulary
from aistratus_daemon.errors import RequestRefused
from aistratus_daemon.frames import Generate
from aistratus_daemon.job_context import about

log = logging.getLogger("engine")

MAX_VERDICTS: Final = 1024
MAX_VERDICT_CHARS: Final = 16 * 1024 * 1024
# Parsers recurse; what had room on the trial process's stack must have room here.
_STACK_BYTES: Final = 64 * 1024 * 1024


@dataclass(eq=False)
class Form:
    """One answer's matcher, and the digest of what it follows."""

    matcher: llguidance.LLMatcher
    digest: str


@dataclass(frozen=True, slots=True)
class Formed:
    """What became of a request's form."""

    request: Generate
    outcome: Form | RequestRefused


@dataclass
class Verdicts:
    """The trials' verdicts by digest: a grammar or a refusal. The least recently used go first."""

    _known: OrderedDict[str, str | RequestRefused] = field(default_factory=OrderedDict)
    _chars: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, digest: str) -> str | RequestRefused | None:
        """The verdict; None if there is none."""
        with self._lock:
            verdict = self._known.get(digest)
            if verdict is not None:
                self._known.move_to_end(digest)
            return verdict

    def put(self, digest: str, verdict: str | RequestRefused) -> None:
        """Remember a verdict, in place of any earlier one."""
        with self._lock:
            self._chars += len(str(verdict)) - len(str(self._known.pop(digest, "")))
            self._known[digest] = verdict
            while len(self._known) > MAX_VERDICTS or self._chars > MAX_VERDICT_CHARS:
                _, oldest = self._known.popitem(last=False)
                self._chars -= len(str(oldest))


@dataclass(order=True, slots=True)
class _Wanted:
    """A form to prepare. Those already tried come first, then short ones, then old ones.

    So quick ones do not wait for slow ones.
    """

    is_untried: bool
    size: int
    number: int
    request: Generate | None = field(compare=False)


class Forms:
    """Prepares forms. `ready` is called, from a thread, when one can be taken.

    It begins with the first request that has a form, or with `start`.
    """

    def __init__(self, vocabulary: Vocabulary, ready: Callable[[], None]) -> None:
        self._vocabulary = vocabulary
        self._ready = ready
        self._wanted: queue.PriorityQueue[_Wanted] = queue.PriorityQueue()
        self._numbers = count()
        self._formed: queue.SimpleQueue[Formed] = queue.SimpleQueue()
        self._verdicts = Verdicts()
        self._thread: threading.Thread | None = None
        self._trial: subprocess.Popen[bytes] | None = None
        self._is_closing = False
        self._tokenizer: llguidance.LLTokenizer | None = None
        self._head = b""

    def start(self) -> None:
        """Begin to prepare the matcher's vocabulary and the process for trials."""
        if self._thread is None:
            former = threading.stack_size(_STACK_BYTES)
            self._thread = threading.Thread(target=self._run, name="forms", daemon=True)
            self._thread.start()
            threading.stack_size(former)

    def want(self, request: Generate) -> None:
        """Prepare the form of a request; it can be taken later."""
        wanted = _wanted_by(request)
        self.start()
        is_untried = self._verdicts.get(digest_of(wanted)) is None
        size = len(wanted.schema) + len(wanted.grammar)
        self._wanted.put(_Wanted(is_untried, size, next(self._numbers), request))

    def take(self) -> Formed | None:
        """The next ready form, if there is one."""
        try:
            return self._formed.get_nowait()
        except queue.Empty:
            return None

    def condemn(self, form: Form) -> RequestRefused:
        """Refuse from now on a form that proved too costly; returns the refusal."""
        refusal = grammar.too_costly()
        self._verdicts.put(form.digest, refusal)
        return refusal

    def close(self) -> None:
        """End the thread and the process, even in the middle of a trial."""
        if self._thread is not None:
            self._is_closing = True
            if (trial := self._trial) is not None:
                trial.kill()
            self._wanted.put(_Wanted(is_untried=False, size=-1, number=0, request=None))
            self._thread.join()
            self._thread = None

    # --- the thread ---

    def _run(self) -> None:
        try:
            self._prepare()
        except Exception:
            log.exception("Forms cannot be tried; the next request with a form tries again.")
        try:
            while (request := self._wanted.get().request) is not None:
                with about(request.context):
                    outcome = self._outcome(request)
                self._formed.put(Formed(request, outcome))
                self._ready()
        finally:
            self._disconnect()

    def _prepare(self) -> llguidance.LLTokenizer:
        """What all forms need, made once: the matcher's vocabulary, and the process for trials."""
        if self._tokenizer is None:
            vocabulary = self._vocabulary
            pieces = [vocabulary.piece(token) for token in range(vocabulary.size)]
            ends = sorted(vocabulary.end_tokens)
            texts = [base64.b64encode(piece).decode() for piece in pieces]
            self._head = json.dumps({"pieces": texts, "ends": ends}).encode() + b"\n"
            self._tokenizer = grammar.new_tokenizer(pieces, ends)
        self._connect()
        return self._tokenizer

    def _outcome(self, request: Generate) -> Form | RequestRefused:
        wanted = _wanted_by(request)
        try:
            tokenizer = self._prepare()
            digest = digest_of(wanted)
            matcher = grammar.new_matcher(tokenizer, self._verdict(digest, wanted))
            _follow(matcher, request.committed)
        except RequestRefused as refusal:
            return refusal
        except Exception:
            # Whatever went wrong, the job must not wait for its form.
            log.exception("The job's form could not be prepared; the job fails.")
            return _unavailable()
        return Form(matcher, digest)

    def _verdict(self, digest: str, wanted: ResponseFormat) -> str:
        """The grammar of a form that passed its trial, now or before; raises `RequestRefused`."""
        verdict = self._verdicts.get(digest)
        if verdict is None:
            answer = self._ask(codec.to_plain(wanted))
            verdict = refusal_of(answer) or str(answer["grammar"])
            self._verdicts.put(digest, verdict)
        if isinstance(verdict, RequestRefused):
            raise verdict
        return verdict

    # --- the process ---

    def _connect(self) -> subprocess.Popen[bytes]:
        if self._trial is None:
            self._trial = subprocess.Popen(
                [sys.executable, "-m", "aistratus_daemon.engine.form_trial"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
            self._exchange(self._trial, self._head)
        return self._trial

    def _ask(self, document: Any) -> dict[str, Any]:
        try:
            return self._exchange(self._connect(), json.dumps(document).encode() + b"\n")
        except (OSError, ValueError) as error:
            if not self._is_closing:
                log.error("The process that tries forms died (%s); it starts again.", error)
            self._disconnect()
            raise _unavailable() from error

    @staticmethod
    def _exchange(process: subprocess.Popen[bytes], line: bytes) -> dict[str, Any]:
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        process.stdin.write(line)
        process.stdin.flush()
        answer: dict[str, Any] = json.loads(process.stdout.readline())
        return answer

    def _disconnect(self) -> None:
        if self._trial is not None:
            self._trial.kill()
            self._trial.communicate()
            self._trial = None


def _wanted_by(request: Generate) -> ResponseFormat:
    wanted = request.sampling.response_format
    assert wanted is not None  # noqa: S101 - only requests with a form come here
    return wanted


def digest_of(wanted: ResponseFormat) -> str:
    """The digest by which a verdict is remembered."""
    return hashlib.sha256(codec.dumps(codec.to_plain(wanted)).encode()).hexdigest()


def _follow(matcher: llguidance.LLMatcher, committed: tuple[int, ...]) -> None:
    """Advance a matcher past the committed tokens; raises `RequestRefused`."""
    if committed and not matcher.consume_tokens(list(committed)):
        raise RequestRefused(
            JobErrorCode.INVALID_REQUEST,
            "What is committed of this answer does not follow its grammar; "
            "it was begun by another model.",
        )


def _unavailable() -> RequestRefused:
    return RequestRefused(
        JobErrorCode.ENGINE_FAILED, "The answer's format could not be tried; send it again."
    )
