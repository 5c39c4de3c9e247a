"""A machine for tests: up in seconds, by itself in its network, and gone without a trace."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from housekeeping import ROOT
from machine import boot, record, ssh
from machine.errors import MachineError
from machine.kernel import NEWER, OLDER
from machine.process import Process
from machine.record import Record

pytestmark = [pytest.mark.needs("systemd-nspawn", "mmdebstrap", "ip", "ssh")]


def traces(machine: Record) -> list[str]:
    """What is left of a machine on this host."""
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    left = [str(machine.root)] if str(machine.root) in mounts else []
    places = (
        machine.folder,
        machine.layers,
        Path("/run/netns", machine.namespace),
        Path("/sys/class/net", machine.link),
        *machine.cgroups,
    )
    left += [str(place) for place in places if place.exists()]
    if machine.supervisor is not None and machine.supervisor.runs():
        left.append(f"process {machine.supervisor.pid}")
    return left


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"test-{uuid4().hex[:12]}"


@pytest.fixture(scope="module")
def machine() -> Iterator[Record]:
    with boot.running(f"shared-{os.getpid()}") as machine:
        yield machine


def test_systemd_inside_is_up_and_nothing_has_failed(machine: Record) -> None:
    assert ssh.run(machine, "systemctl is-system-running").stdout.strip() == "running"
    assert ssh.run(machine, "cat /proc/1/comm").stdout.strip() == "systemd"


def test_it_reaches_this_host_and_nothing_else(machine: Record) -> None:
    routes = ssh.run(machine, "ip -4 -o address; ip route").stdout
    assert machine.address in routes
    assert "eth0" not in routes
    assert ssh.run(machine, f"getent hosts host | grep {machine.host_address}").returncode == 0


def test_two_machines_are_strangers_and_the_root_stays_as_it_was(
    machine: Record, name: str
) -> None:
    ssh.run(machine, "touch /etc/mine")
    with boot.running(name) as other:
        assert other.address != machine.address
        assert ssh.run(other, "test -e /etc/mine", check=False).returncode == 1
        ids = [ssh.run(each, "cat /etc/machine-id").stdout for each in (machine, other)]
        assert ids[0] != ids[1]


def test_after_a_reboot_it_runs_the_newest_kernel_that_it_has(name: str) -> None:
    asked = "uname -r; cat /proc/sys/kernel/random/boot_id"
    with boot.running(name) as machine:
        older, first = ssh.run(machine, asked).stdout.split()
        ssh.run(machine, "apt-get -qq update && apt-get -qq --yes dist-upgrade")
        assert ssh.run(machine, asked).stdout.split() == [older, first]
        ssh.run(machine, "reboot", check=False)
        seen = [older, first]
        deadline = time.monotonic() + boot.BOOT_SECONDS
        while seen[1:] in ([], [first]) and time.monotonic() < deadline:
            seen = ssh.run(machine, asked, check=False).stdout.split()
        assert (older, seen[0]) == (OLDER, NEWER)
    assert traces(machine) == []


def test_a_stopped_machine_leaves_nothing(name: str) -> None:
    with boot.running(name) as machine:
        assert traces(machine)
    assert traces(machine) == []


def test_what_a_crash_leaves_the_next_start_clears_away(name: str, machine: Record) -> None:
    crash = (
        f"import os; from machine import boot;boot.start({name!r}, owner=os.getpid()); os._exit(1)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tools")}
    done = subprocess.run([sys.executable, "-c", crash], env=environment, check=False)
    assert done.returncode == 1
    left = record.find(name)
    assert left.is_left_over
    assert traces(left)
    with boot.running(f"{name}-next"):
        assert name not in {each.name for each in record.read_all()}
        assert not machine.is_left_over
    assert traces(left) == []


def test_a_machine_that_is_being_booted_is_not_cleared_away(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    introduce = ssh.introduce

    def beside_another_start(machine: Record) -> None:
        assert name not in boot.clear_left_overs()
        introduce(machine)

    monkeypatch.setattr(ssh, "introduce", beside_another_start)
    boot.stop(boot.start(name))


def test_a_start_that_breaks_off_leaves_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Record] = []

    def fail(machine: Record) -> None:
        seen.append(machine)
        raise MachineError("No.")

    monkeypatch.setattr(ssh, "introduce", fail)
    with pytest.raises(MachineError, match=r"No\."):
        boot.start(name)
    assert traces(seen[0]) == []


def test_a_name_is_taken_once(machine: Record) -> None:
    with pytest.raises(MachineError, match="already"):
        boot.start(machine.name)


@pytest.mark.parametrize("bad", ["", "Up", "a/b", "1st", "a" * 40])
def test_a_bad_name_is_refused(bad: str) -> None:
    with pytest.raises(MachineError, match="name"):
        boot.start(bad)


def test_another_process_with_the_same_id_is_not_taken_for_it() -> None:
    me = Process.of(os.getpid())
    assert me is not None
    assert me.runs()
    assert not replace(me, started=me.started - 1).runs()


def test_the_command_line_starts_lists_enters_and_stops(name: str, tmp_path: Path) -> None:
    def machine_tool(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "machine", *words],
            env={**os.environ, "PYTHONPATH": str(ROOT / "tools")},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    inventory = tmp_path / "inventory.json"
    machine_tool("start", name, "--owner", str(os.getpid()), "--inventory", str(inventory))
    try:
        assert f"{name} " in machine_tool("list")
        assert machine_tool("ssh", name, "hostname").strip() == name
        assert name in inventory.read_text(encoding="utf-8")
    finally:
        machine_tool("stop", name)
    assert f"{name} " not in machine_tool("list")
