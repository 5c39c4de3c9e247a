"""What the services send to the journal, against a stand-in for libsystemd with a real socket."""

import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from aistratus_daemon import journal, libsystemd
from aistratus_daemon.job_context import JobContext, about
from aistratus_daemon.journal import METRICS, Journal, Send, connect
from aistratus_daemon.logs import JsonLines, with_job
from aistratus_daemon.worker.metrics import MESSAGE, embedded

FORGED = "job_1\nPRIORITY=0\nJOB=job_2\nCONVERSATION=conv_2"


class Libsystemd:
    """Opens its socket for the first entry, keeps it and waits while the receiver's is full."""

    def __init__(self, address: Path) -> None:
        self.address = str(address)
        self.socket: socket.socket | None = None

    def send(self, MESSAGE: str, **fields: object) -> None:  # noqa: N803 - the journal's name
        if self.socket is None:
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        entry = {"MESSAGE": MESSAGE, **{name: str(value) for name, value in fields.items()}}
        # Another object for the same open socket: Python's own would not notice the change.
        with socket.socket(fileno=os.dup(self.socket.fileno())) as sending:
            sending.sendto(json.dumps(entry).encode(), self.address)


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "socket"))
        receiver.setblocking(False)
        yield receiver


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """That of a service whose stderr leads to the journal, on a machine with libsystemd."""
    library = Libsystemd(tmp_path / "socket")
    monkeypatch.setattr(libsystemd, "journal", SimpleNamespace(send=library.send))
    monkeypatch.setattr(journal, "SOCKET", tmp_path / "socket")
    with (tmp_path / "stderr").open("w") as stderr:
        monkeypatch.setattr(sys, "stderr", stderr)
        found = os.fstat(stderr.fileno())
        yield {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
    if library.socket is not None:
        library.socket.close()


@pytest.fixture
def send(journald: socket.socket, environment: dict[str, str]) -> Send:
    send = connect("aistratus-worker", environment)
    assert send is not None
    assert [entry["MESSAGE"] for entry in received(journald)] == ["The log begins."]
    return send


@pytest.fixture
def log(
    send: Send, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> logging.Logger:
    handler = Journal("aistratus-worker", send, JsonLines())
    handler.addFilter(with_job)
    log = logging.getLogger("worker")
    monkeypatch.setattr(log, "handlers", [handler])
    monkeypatch.setattr(log, "propagate", False)
    caplog.set_level(logging.INFO, "worker")
    return log


def received(journald: socket.socket) -> list[dict[str, str]]:
    entries = []
    while True:
        try:
            entries.append(json.loads(journald.recv(1 << 20)))
        except BlockingIOError:
            return entries


def test_a_line_has_its_text_its_priority_and_the_job(
    journald: socket.socket, log: logging.Logger
) -> None:
    with about(JobContext("job_1", "conv_1", 2)):
        log.warning("Ended %s.", "failed", extra={"WORKER": "w1", "lower": "left out"})
    (entry,) = received(journald)
    assert Path(entry.pop("CODE_FILE")) == Path(__file__)
    assert entry.pop("CODE_FUNC").startswith("test_a_line")
    assert entry == {
        "MESSAGE": "Ended failed.",
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "aistratus-worker",
        "LOGGER": "worker",
        "JOB": "job_1",
        "CONVERSATION": "conv_1",
        "ATTEMPT": "2",
        "WORKER": "w1",
    }


def test_an_id_with_line_ends_is_one_value_of_one_field(
    journald: socket.socket, log: logging.Logger
) -> None:
    with about(JobContext(FORGED, FORGED, 1)):
        log.info("Received.\nJOB=job_2")
    (entry,) = received(journald)
    assert (entry["JOB"], entry["CONVERSATION"]) == (FORGED, FORGED)
    assert (entry["PRIORITY"], entry["MESSAGE"]) == ("6", "Received.\nJOB=job_2")


def test_on_stderr_it_is_one_line_too() -> None:
    record = logging.makeLogRecord({"msg": "Received.\n{}", "JOB": FORGED, "levelname": "INFO"})
    line = JsonLines().format(record)
    assert "\n" not in line
    assert json.loads(line)["JOB"] == FORGED


def test_an_exception_brings_its_trace(journald: socket.socket, log: logging.Logger) -> None:
    try:
        _ = 1 / (len(received(journald)))
    except ZeroDivisionError:
        log.exception("A job could not be worked on.")
    (entry,) = received(journald)
    assert entry["MESSAGE"].startswith("A job could not be worked on.\nTraceback")
    assert entry["MESSAGE"].endswith("ZeroDivisionError: division by zero")
    assert entry["PRIORITY"] == "3"


def test_metrics_are_the_document_itself_from_a_sender_of_their_own(
    journald: socket.socket, log: logging.Logger
) -> None:
    log.info(MESSAGE, extra=embedded("test", {"requests_processing": 3}, 1))
    (entry,) = received(journald)
    assert entry["SYSLOG_IDENTIFIER"] == METRICS
    document = json.loads(entry["MESSAGE"])
    assert document["_aws"]["Timestamp"] == 1
    assert document["requests_processing"] == 3


def test_a_journal_that_does_not_read_holds_nobody_up(
    journald: socket.socket, log: logging.Logger
) -> None:
    for number in range(5000):
        log.info("Line %d.", number)
    taken = received(journald)
    assert 0 < len(taken) < 5000
    log.info("It reads again.")
    lost, again = received(journald)
    assert lost["MESSAGE"] == f"The journal did not take {5000 - len(taken)} lines; they are lost."
    assert lost["PRIORITY"] == "4"
    assert again["MESSAGE"] == "It reads again."


def test_a_journal_that_is_gone_does_no_harm(
    journald: socket.socket, log: logging.Logger, capfd: pytest.CaptureFixture[str]
) -> None:
    journald.close()
    log.info("Nobody hears this.")
    assert capfd.readouterr() == ("", "")


Change = Callable[[pytest.MonkeyPatch, dict[str, str]], None]
ELSEWHERE: dict[str, Change] = {
    "without systemd-python": lambda patch, _: patch.setattr(libsystemd, "journal", None),
    "without a journal": lambda patch, _: patch.setattr(journal, "SOCKET", Path("/nowhere")),
    "outside a service": lambda _, environment: environment.clear(),
    "with stderr in a file": lambda _, environment: environment.update(JOURNAL_STREAM="1:2"),
}


@pytest.mark.parametrize("change", ELSEWHERE.values(), ids=ELSEWHERE)
def test_elsewhere_the_log_stays_on_stderr(
    change: Change,
    journald: socket.socket,
    environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    change(monkeypatch, environment)
    assert connect("aistratus-worker", environment) is None
    assert received(journald) == []
