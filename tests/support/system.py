"""The whole system as `make demo` starts it, and a person who uses it over HTTP alone.

Nothing here uses our own clients: it follows what the docs say.
"""

import base64
import hashlib
import json
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from aistratus_local.access_key import AccessKey

CALLBACK = "http://localhost:8571/callback"
PATIENCE_SECONDS = 60.0


@dataclass
class Demo:
    """A demo, started as a program of its own."""

    process: subprocess.Popen[str]
    state_dir: Path
    lines: list[str] = field(default_factory=list)

    @property
    def state(self) -> dict[str, str]:
        """What it tells this user's other programs."""
        found = json.loads((self.state_dir / "stack.json").read_text())
        return {name: str(value) for name, value in found.items()}

    def until(self, line_start: str) -> None:
        """Wait for a line of its output."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not any(line.startswith(line_start) for line in self.lines):
            assert self.process.poll() is None, "".join(self.lines)
            assert time.monotonic() < deadline, "".join(self.lines)
            time.sleep(0.02)

    def interrupt(self, number: int = signal.SIGINT) -> int:
        """Send Ctrl-C, as the terminal does; returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def session_of_children(self) -> list[int]:
        """The processes that it has started, and those that they have."""
        return descendants(self.process.pid)


def demo_environment(state_dir: Path, **changes: str) -> dict[str, str]:
    """Any free ports, a state folder of its own."""
    ports = dict.fromkeys(("APP_PORT", "GATEWAY_PORT", "ISSUER_PORT", "EMULATOR_PORT"), "0")
    return {**os.environ, **ports, "AISTRATUS_STATE_DIR": str(state_dir), **changes}


def started_demo(state_dir: Path, *arguments: str, **changes: str) -> AbstractContextManager[Demo]:
    """What `make demo` starts, without the browser."""
    return started_by(["-m", "aistratus_operator"], state_dir, *arguments, **changes)


@contextmanager
def started_by(
    program: Sequence[str], state_dir: Path, *arguments: str, **changes: str
) -> Iterator[Demo]:
    """The demo of a program that starts it as `aistratus` does."""
    with subprocess.Popen(
        [sys.executable, *program, "demo", "--no-browser", *arguments],
        env=demo_environment(state_dir, **changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        demo = Demo(process, state_dir)

        def read() -> None:
            assert process.stdout is not None
            demo.lines.extend(process.stdout)

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield demo
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
            reader.join()


def run_local(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run one of `make`'s commands to its end."""
    return subprocess.run(
        [sys.executable, "-m", "aistratus_operator", *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=90,
        check=False,
    )


def descendants(pid: int) -> list[int]:
    """All processes below that one."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            text = (folder / "stat").read_text()
        except OSError:
            continue
        parent = int(text.rpartition(")")[2].split()[1])
        parents.setdefault(parent, []).append(int(folder.name))
    found, todo = [], [pid]
    while todo:
        children = parents.get(todo.pop(), [])
        found += children
        todo += children
    return found


def is_running(pid: int) -> bool:
    """Whether the process still runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 10
    while left := [pid for pid in pids if is_running(pid)]:
        assert time.monotonic() < deadline, left
        time.sleep(0.02)


@dataclass
class Person:
    """Somebody with a token and an HTTP client."""

    http: httpx.Client
    tokens: dict[str, Any]

    def ask(self, text: str, **more: Any) -> dict[str, Any]:
        body = {"messages": [{"role": "user", "content": text}], **more}
        answer = self.http.post("/infer", json=body)
        assert answer.status_code == 202, answer.text
        accepted: dict[str, Any] = answer.json()
        assert answer.headers["location"] == f"/jobs/{accepted['job_id']}"
        return accepted

    def page(self, job_id: str, after: int = 0, wait: int = 0) -> dict[str, Any]:
        query = {"after": after, "wait": wait}
        answer = self.http.get(f"/jobs/{job_id}/events", params=query)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def follow(self, job_id: str, after: int = 0) -> list[dict[str, Any]]:
        """The events after that one, to the last."""
        events: list[dict[str, Any]] = []
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            assert time.monotonic() < deadline, events
            page = self.page(job_id, after, wait=20)
            events += page["events"]
            after = page["next_after"]
            if page["done"]:
                return events
            time.sleep(page.get("retry_after", 0.0))

    def until_text(self, job_id: str) -> int:
        """Wait for the first words of an answer; returns the number of the last event so far."""
        after = 0
        while True:
            page = self.page(job_id, after, wait=20)
            after = int(page["next_after"])
            if any("delta" in event for event in page["events"]):
                return after
            assert not page["done"]


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(event["delta"]["text"] for event in events if "delta" in event)


def access_key(state: dict[str, str]) -> AccessKey:
    """The key that the demo's emulator accepts."""
    return AccessKey(state["access_key_id"], state["secret_access_key"])


def sign_in(state: dict[str, str], name: str, password: str) -> dict[str, Any]:
    """Authorization code with PKCE, through the page, as a browser does it."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    query = {
        "response_type": "code",
        "client_id": state["client_id"],
        "redirect_uri": CALLBACK,
        "scope": "openid aistratus/infer aistratus/operate",
        "state": "a state",
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
    }
    with httpx.Client(base_url=state["login_url"], trust_env=False, timeout=30) as browser:
        page = browser.get("/oauth2/authorize", params=query)
        found = re.search(r'name="csrf" value="([^"]+)"', page.text)
        assert found
        form = {"csrf": found[1], "username": name, "password": password}
        back = browser.post("/oauth2/authorize", params=query, data=form)
        assert back.status_code == 302, back.text
        returned = dict(parse_qsl(urlsplit(back.headers["location"]).query))
        assert returned["state"] == "a state"
        answer = browser.post(
            "/oauth2/token",
            data={
                "grant_type": "authorization_code",
                "client_id": state["client_id"],
                "code": returned["code"],
                "redirect_uri": CALLBACK,
                "code_verifier": verifier,
            },
        )
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


@contextmanager
def signed_in(state: dict[str, str], name: str, password: str) -> Iterator[Person]:
    """A person with a token of the login."""
    tokens = sign_in(state, name, password)
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    with httpx.Client(
        base_url=state["api_url"], headers=headers, trust_env=False, timeout=40
    ) as http:
        yield Person(http, tokens)
