"""`make demo` stops without a trace, and says in one sentence why it cannot start."""

import os
import signal
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from aistratus_daemon.worker.jobs_queue import RECEIVE_WAIT_SECONDS
from aistratus_local.choices import CHOICES
from support.system import (
    Demo,
    demo_environment,
    run_local,
    signed_in,
    started_demo,
    text_of,
    until_gone,
)


def ports_of(demo: Demo) -> list[int]:
    names = ("app_url", "api_url", "login_url", "emulator_url")
    return [port for name in names if (port := urlsplit(demo.state[name]).port)]


def nobody_listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_ctrl_c_leaves_no_process_and_no_port(tmp_path: Path) -> None:
    with started_demo(tmp_path) as demo:
        demo.until("Ready")
        state, ports, pids = demo.state, ports_of(demo), demo.session_of_children()
        assert len(ports) == 4
        assert len(pids) >= 7
        with signed_in(state, state["user"], state["password"]) as person:
            # Also while it answers.
            person.until_text(person.ask("Tell me about the whole journey of a prompt")["job_id"])
        began = time.monotonic()
        assert demo.interrupt() == 0
        assert time.monotonic() - began < 15
    assert "nothing is left" in demo.lines[-1]
    until_gone(pids)
    assert all(nobody_listens(port) for port in ports)
    # What tells others of it is gone; its logs stay.
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "logs"]


def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    with started_demo(tmp_path) as demo:
        demo.until("  ✓ emulator")
        pids = demo.session_of_children()
        assert demo.interrupt() == 0
    until_gone(pids)
    assert "Traceback" not in "".join(demo.lines)


def test_a_killed_supervisor_takes_everything_with_it(tmp_path: Path) -> None:
    with started_demo(tmp_path, "--no-app") as demo:
        demo.until("Ready")
        pids = demo.session_of_children()
        demo.process.kill()
        demo.process.wait()
        until_gone(pids)


def test_a_dead_engine_and_a_dead_worker_come_back(tmp_path: Path) -> None:
    with started_demo(tmp_path, "--no-app") as demo:
        demo.until("Ready")
        state = demo.state
        with signed_in(state, state["user"], state["password"]) as person:
            for name in ("engine", "worker"):
                os.kill(pid_of(demo, name), signal.SIGKILL)
                # A dead worker's last poll could still be given the message, which would then
                # be invisible for its 30 s, on AWS as here: let that poll end first.
                time.sleep(RECEIVE_WAIT_SECONDS + 0.2)
                events = person.follow(person.ask("What is Aistratus?")["job_id"])
                assert events[-1]["state"]["state"] == "succeeded", name
                assert "Aistratus is" in text_of(events)


def test_a_dead_gateway_ends_the_demo_and_names_its_log(tmp_path: Path) -> None:
    with started_demo(tmp_path, "--no-app") as demo:
        demo.until("Ready")
        pids = demo.session_of_children()
        os.kill(pid_of(demo, "aistratus_local.gateway"), signal.SIGKILL)
        assert demo.process.wait(30) == 1
    until_gone(pids)
    last = demo.lines[-1]
    assert "The gateway ended unexpectedly (killed by SIGKILL)" in last
    assert str(tmp_path / "logs" / "gateway.log") in last
    assert "Traceback" not in "".join(demo.lines)


def pid_of(demo: Demo, name: str) -> int:
    """The process with that in its command; the oldest, if it has children of its own."""
    for pid in sorted(demo.session_of_children()):
        command = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
        if any(part.endswith(name) for part in command):
            return pid
    raise AssertionError(name)


def test_two_demos_run_side_by_side(demo: Demo, tmp_path: Path) -> None:
    with started_demo(tmp_path, "--no-app") as second:
        second.until("Ready")
        for one in (demo, second):
            with signed_in(one.state, one.state["user"], one.state["password"]) as person:
                events = person.follow(person.ask("What is Aistratus?")["job_id"])
                assert events[-1]["state"]["state"] == "succeeded"
        # And neither takes the other's tokens.
        with signed_in(second.state, "demo", second.state["password"]) as person:
            headers = dict(person.http.headers)
        assert httpx.get(f"{demo.state['api_url']}/models", headers=headers).status_code == 401


def test_a_taken_port_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run_local("demo", environment=demo_environment(tmp_path, APP_PORT=str(port)))
    assert ended.returncode == 1
    last = ended.stdout.splitlines()[-1]
    assert last.startswith(f"Port {port} is taken by another program (")
    assert f"process {os.getpid()}" in last
    assert "choose another port with APP_PORT=" in last
    assert "Traceback" not in ended.stdout


def test_the_same_demo_twice_is_one_sentence(demo: Demo) -> None:
    ended = run_local("demo", environment=demo_environment(demo.state_dir))
    assert ended.returncode == 1
    assert f"A demo runs here already, at {demo.state['app_url']}" in ended.stdout
    assert "Traceback" not in ended.stdout


@pytest.mark.parametrize("command", ["demo", "ask"])
def test_a_wrong_model_is_one_sentence(tmp_path: Path, command: str) -> None:
    ended = run_local(
        command,
        *(["x"] if command == "ask" else []),
        environment=demo_environment(tmp_path, MODEL="gpt"),
    )
    assert ended.returncode == 2
    assert ended.stdout == (
        f"There is no model 'gpt' here. Choose one of: {', '.join(CHOICES)} "
        "(for example: make demo MODEL=tinyllama).\n"
    )


def test_weights_that_cannot_be_had_are_one_sentence(demo: Demo, tmp_path: Path) -> None:
    # The gateway knows no such file, and says so with a 401.
    environment = demo_environment(tmp_path, MODEL="tinyllama", XDG_CACHE_HOME=str(tmp_path))
    environment["AISTRATUS_MODELS_URL"] = demo.state["api_url"]
    ended = run_local("demo", environment=environment)
    assert ended.returncode == 1
    assert "answered 401 Unauthorized. Check whether that address" in ended.stdout
    assert "Traceback" not in ended.stdout


def test_a_wrong_port_is_one_sentence(tmp_path: Path) -> None:
    ended = run_local("demo", environment=demo_environment(tmp_path, APP_PORT="web"))
    assert ended.returncode == 2
    assert ended.stdout == "APP_PORT is 'web', which is no port. Give a number below 65536.\n"


def test_asking_in_the_terminal_uses_the_demo_that_runs(demo: Demo) -> None:
    environment = demo_environment(demo.state_dir)
    began = time.monotonic()
    ended = run_local("ask", "What is Aistratus?", environment=environment)
    assert ended.returncode == 0, ended.stdout
    assert "Aistratus is" in ended.stdout
    assert time.monotonic() - began < 15


def test_asking_in_the_terminal_needs_no_demo(tmp_path: Path) -> None:
    environment = demo_environment(tmp_path, TMPDIR=str(tmp_path))
    ended = run_local("ask", "--json", "What is Aistratus?", environment=environment)
    assert ended.returncode == 0, ended.stdout
    assert '"state":"succeeded"' in ended.stdout.replace(" ", "")
    assert list(tmp_path.iterdir()) == []


def test_asking_nothing_is_one_sentence(tmp_path: Path) -> None:
    ended = run_local("ask", " ", environment=demo_environment(tmp_path))
    assert ended.returncode == 2
    assert ended.stdout == 'Say what to ask: make ask PROMPT="What is Aistratus?"\n'


def test_ctrl_c_during_a_download_is_no_traceback(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        more = {"MODEL": "tinyllama", "AISTRATUS_MODELS_URL": url}
        with started_demo(tmp_path, XDG_CACHE_HOME=str(tmp_path / "cache"), **more) as demo:
            connection, _ = silent.accept()
            with connection:
                assert demo.interrupt() == 130
    assert demo.lines[-1] == "Stopped.\n"
    assert "Traceback" not in "".join(demo.lines)


def test_logs_that_cannot_be_written_are_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("")
    ended = run_local("demo", "--no-app", environment=demo_environment(tmp_path))
    assert ended.returncode == 1
    assert "AISTRATUS_STATE_DIR sets another place" in ended.stdout.splitlines()[-1]
    assert "Traceback" not in ended.stdout
