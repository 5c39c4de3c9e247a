"""systemd hears how a service stands, by sd_notify(3)'s own protocol."""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from aistratus_daemon import libsystemd
from aistratus_daemon.errors import SettingsError
from aistratus_daemon.notify import Watchdog, connect, extend_timeout, watchdog_seconds


@contextmanager
def listening(address: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address)
        listener.settimeout(5)
        yield listener


def test_it_speaks_to_a_path(tmp_path: Path) -> None:
    with listening(str(tmp_path / "notify")) as systemd:
        notify = connect({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        notify("READY=1")
        notify(f"STOPPING=1\n{extend_timeout(1.5)}")
        assert systemd.recv(4096) == b"READY=1"
        assert systemd.recv(4096) == b"STOPPING=1\nEXTEND_TIMEOUT_USEC=1500000"


def test_it_speaks_to_an_abstract_socket() -> None:
    name = f"aistratus-{secrets.token_hex(8)}"
    with listening(f"\0{name}") as systemd:
        connect({"NOTIFY_SOCKET": f"@{name}"})("WATCHDOG=1")
        assert systemd.recv(4096) == b"WATCHDOG=1"


def test_on_the_image_systemd_python_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    monkeypatch.setattr(libsystemd, "daemon", SimpleNamespace(notify=heard.append))
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    connect()("READY=1")
    assert heard == ["READY=1"]


def test_systemd_python_failing_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_: str) -> None:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr(libsystemd, "daemon", SimpleNamespace(notify=fail))
    monkeypatch.setenv("NOTIFY_SOCKET", "/run/systemd/notify")
    connect()("READY=1")
    assert "did not hear READY=1: nobody listens" in caplog.text


def test_it_is_silent_where_nobody_asks() -> None:
    connect({})("READY=1")


def test_another_kind_of_socket_is_refused_with_a_sentence() -> None:
    with pytest.raises(SettingsError, match="NOTIFY_SOCKET is vsock:2:9999, which is neither"):
        connect({"NOTIFY_SOCKET": "vsock:2:9999"})


def test_a_manager_that_is_gone_does_no_harm(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    connect({"NOTIFY_SOCKET": str(tmp_path / "nobody")})("READY=1")
    assert "did not hear READY=1" in caplog.text


def test_a_manager_that_does_not_read_holds_nobody_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with listening(str(tmp_path / "notify")):
        notify = connect({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        for _ in range(10_000):
            notify("WATCHDOG=1")
            if caplog.records:
                break
    assert "did not hear WATCHDOG=1" in caplog.text


def test_the_watchdog_is_this_process_s_own_or_none() -> None:
    assert watchdog_seconds({"WATCHDOG_USEC": "30000000"}) == 30.0
    assert watchdog_seconds({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": str(os.getpid())}) == 0.5
    assert watchdog_seconds({"WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}) == 0.0
    assert watchdog_seconds({}) == 0.0


def test_a_quick_loop_feeds_no_more_than_is_needed() -> None:
    said: list[str] = []
    watchdog = Watchdog(said.append, interval_seconds=60)
    for _ in range(1000):
        watchdog.feed()
    assert said == ["WATCHDOG=1"]
    nobody = Watchdog(said.append, interval_seconds=0)
    nobody.feed()
    assert said == ["WATCHDOG=1"]
