"""The quiet user: asks a small thing again and again, and measures how long it takes.

A process of its own, so that nothing of the attack's own work is in the figures. It is told by
lines on its standard input: `go`, `pause`; it ends with the input. Each round is two lines of
JSON on its output, one when it begins, one when it has ended.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final, TextIO

import httpx

from support.engine_process import ROOT
from system.hostile.evidence import last_state

PROMPT: Final = "What is Aistratus?"
MAX_TOKENS: Final = 8
# A round that has no end after so long is given up, and counts as never answered.
GIVE_UP_SECONDS: Final = 60.0
START_SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Round:
    """One prompt. Seconds are from its sending; None for what never came."""

    began: float
    accept: float | None = None
    first: float | None = None
    whole: float | None = None
    tokens_per_second: float | None = None
    end: str = ""


class QuietUser:
    """The process, from outside."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self._changed = threading.Condition()
        self._begun = 0
        self._rounds: list[Round] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def go(self) -> None:
        """Begin, or go on."""
        self._tell("go")

    def pause(self, at_least: int = 1) -> list[Round]:
        """Stop after the round that is under way; the rounds since the last pause."""
        with self._changed:
            self._wait(lambda: self._begun >= at_least)
            self._tell("pause")
            # A round may have begun while this was said: it is waited for as well.
            while True:
                self._wait(lambda: len(self._rounds) >= self._begun)
                if not self._changed.wait_for(lambda: self._begun > len(self._rounds), 0.1):
                    break
            rounds, self._rounds, self._begun = self._rounds, [], 0
        return rounds

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:  # in the middle of a round that nobody waits for
            self._process.kill()
        self._reader.join()

    def _tell(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def _wait(self, is_so: Any) -> None:
        limit = 2 * GIVE_UP_SECONDS + START_SECONDS  # its last poll may be held as long again
        assert self._changed.wait_for(is_so, limit), "the quiet user's process says nothing"

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            with self._changed:
                if told == "began":
                    self._begun += 1
                else:
                    self._rounds.append(Round(**told))
                self._changed.notify_all()


@contextmanager
def quiet_user(api_url: str, token: str, pace_seconds: float) -> Iterator[QuietUser]:
    """A quiet user who waits for `go`, and sends no more often than the pace says."""
    orders = json.dumps({"url": api_url, "token": token, "pace_seconds": pace_seconds})
    with subprocess.Popen(
        [sys.executable, "-m", "system.hostile.quiet"],
        cwd=ROOT / "tests",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdin is not None
        process.stdin.write(f"{orders}\n")
        process.stdin.flush()
        user = QuietUser(process)
        try:
            yield user
        finally:
            user.close()


# --- inside the process -------------------------------------------------------------------


def main(told: TextIO, out: TextIO) -> None:
    """Serve until `told` ends."""
    orders = json.loads(told.readline())
    may_go, is_over = threading.Event(), threading.Event()

    def listen() -> None:
        for line in told:
            (may_go.set if line.strip() == "go" else may_go.clear)()
        is_over.set()
        may_go.set()

    threading.Thread(target=listen, daemon=True).start()
    headers = {"authorization": f"Bearer {orders['token']}"}
    with httpx.Client(
        base_url=orders["url"], headers=headers, trust_env=False, timeout=GIVE_UP_SECONDS
    ) as http:
        while may_go.wait() and not is_over.is_set():
            began = time.monotonic()
            _say(out, "began")
            _say(out, asdict(_round(http, began)))
            is_over.wait(max(0.0, began + orders["pace_seconds"] - time.monotonic()))


def _say(out: TextIO, what: Any) -> None:
    out.write(json.dumps(what) + "\n")
    out.flush()


def _round(http: httpx.Client, began: float) -> Round:
    body = {"messages": [{"role": "user", "content": PROMPT}], "max_tokens": MAX_TOKENS}
    try:
        answer = http.post("/infer", json=body)
        accept = time.monotonic() - began
        if answer.status_code != 202:
            return Round(began, end=f"refused with {answer.status_code}")
        return _read(http, answer.json()["job_id"], began, accept)
    except httpx.HTTPError as error:
        return Round(began, end=f"broken: {type(error).__name__}")


def _read(http: httpx.Client, job_id: str, began: float, accept: float) -> Round:
    """The answer to its end, as an app reads it."""
    events: list[dict[str, Any]] = []
    first: float | None = None
    tokens, first_tokens, after = 0, 0, 0
    while time.monotonic() - began < GIVE_UP_SECONDS:
        answer = http.get(f"/jobs/{job_id}/events", params={"after": after, "wait": 20})
        if answer.status_code != 200:
            return Round(began, accept, first, end=f"not read: {answer.status_code}")
        page = answer.json()
        after = page["next_after"]
        events += page["events"]
        tokens += sum(len(e["delta"]["token_ids"]) for e in page["events"] if "delta" in e)
        if first is None and tokens:
            first, first_tokens = time.monotonic() - began, tokens
        if page["done"]:
            whole, later = time.monotonic() - began, tokens - first_tokens
            # What all came at once has no rate that anybody could see.
            rate = later / (whole - first) if first is not None and later else None
            return Round(began, accept, first, whole, rate, last_state(events))
        time.sleep(page.get("retry_after", 0.0))
    return Round(began, accept, first, end="given up")


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
