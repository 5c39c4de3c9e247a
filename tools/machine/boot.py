"""Starts a machine, and removes it with everything that belongs to it.

The record is written before anything that needs removal, and each step of the removal works even
if the step that it undoes never ran. So a start that failed anywhere can be cleaned up.
"""

import os
import re
import select
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import uuid4

from machine import cgroup, record, ssh
from machine.command import call
from machine.errors import MachineError
from machine.first_boot import leave_traces
from machine.process import Process
from machine.record import Record
from machine.root import cache, debian_root

BOOT_SECONDS: Final = 60.0
# systemd inside stops its services in order; a throw-away machine need not wait for the slow ones.
STOP_SECONDS: Final = 10.0
# With --keep-unit, systemd-nspawn leaves a reboot to who called it, by this code. It is ended by a
# signal to this shell, or with it.
_REBOOTING: Final = """
trap 'kill -TERM "$inside"' TERM
code=133
while [ "$code" = 133 ]; do
    setpriv --pdeathsig KILL "$0" "$@" & inside=$!
    while kill -0 "$inside" 2>/dev/null; do wait "$inside"; code=$?; done
done
exit "$code"
"""
_NAME: Final = re.compile(r"[a-z][a-z0-9-]{0,30}")


@contextmanager
def running(name: str) -> Iterator[Record]:
    """A machine for the length of a block; it is left over once this process ends."""
    machine = start(name, owner=os.getpid())
    try:
        yield machine
    finally:
        stop(machine)


def start(name: str, *, owner: int | None = None) -> Record:
    """Boot a machine; returns when systemd inside reports that it is ready.

    `owner` is a process id: once that process ends, the machine counts as left over.
    """
    if os.geteuid() != 0:
        raise MachineError("Booting a machine needs root: run this with sudo.")
    if not _NAME.fullmatch(name):
        raise MachineError(f"A machine's name is of a-z, 0-9 and -, begins with a-z: not {name}.")
    lower = debian_root()
    clear_left_overs()
    with record.locked():
        known = record.read_all()
        if any(each.name == name for each in known):
            raise MachineError(f"There is a machine {name} already: python3 -m machine stop {name}")
        machine = Record(
            name=name,
            network=record.free_network(known),
            layers=cache() / "layers" / name,
            cgroups=tuple(cgroup.folders(name)),
            owner=Process.of(owner) if owner is not None else None,
            starter=Process.of(os.getpid()),
        )
        machine.write()
    try:
        _lay_out(machine, lower)
        _connect(machine)
        ssh.introduce(machine)
        return _boot(machine)
    except BaseException:
        stop(record.find(name))
        raise


def stop(machine: Record) -> None:
    """Stop a machine and remove everything of it; no error if it is already gone."""
    if machine.supervisor is not None:
        ended = machine.supervisor.end(signal.SIGTERM, STOP_SECONDS)
        if not ended:
            machine.supervisor.end(signal.SIGKILL, STOP_SECONDS)
        with suppress(ChildProcessError):
            os.waitpid(machine.supervisor.pid, 0)
    if machine.root.is_mount():
        call("umount", "--recursive", machine.root)
    # The link first: deleting the namespace removes it too, but only some time later.
    if Path("/sys/class/net", machine.link).exists():
        call("ip", "link", "delete", machine.link)
    if Path("/run/netns", machine.namespace).exists():
        call("ip", "netns", "delete", machine.namespace)
    cgroup.remove(list(machine.cgroups))
    shutil.rmtree(machine.layers, ignore_errors=True)
    # The record last: as long as it exists, a failed removal can be repeated.
    with record.locked():
        shutil.rmtree(machine.folder, ignore_errors=True)


def clear_left_overs() -> list[str]:
    """Stop the machines whose owner has ended, and remove what is left of ended machines."""
    with record.locked():
        left = [each for each in record.read_all() if each.is_left_over]
    for machine in left:
        stop(machine)
    return [machine.name for machine in left]


def _lay_out(machine: Record, lower: Path) -> None:
    """Mount the root with the machine's own layer over it."""
    shutil.rmtree(machine.layers, ignore_errors=True)
    upper, work = machine.layers / "upper", machine.layers / "work"
    for folder in (upper, work, machine.root):
        folder.mkdir(parents=True)
    options = f"lowerdir={lower},upperdir={upper},workdir={work}"
    call("mount", "-t", "overlay", "overlay", "-o", options, machine.root)
    # Without a machine id, systemd would treat this as a first boot and enable every service.
    (machine.root / "etc" / "machine-id").write_text(f"{uuid4().hex}\n", encoding="ascii")
    # There is no resolver: lookups fail at once instead of timing out.
    (machine.root / "etc" / "resolv.conf").unlink(missing_ok=True)
    (machine.root / "etc" / "resolv.conf").write_text("nameserver 127.0.0.1\n", encoding="ascii")
    (machine.root / "etc" / "hostname").write_text(f"{machine.name}\n", encoding="utf-8")
    (machine.root / "etc" / "hosts").write_text(
        f"127.0.0.1 localhost\n127.0.1.1 {machine.name}\n{machine.host_address} host\n",
        encoding="utf-8",
    )
    leave_traces(machine.root)


def _connect(machine: Record) -> None:
    """Make a network namespace and a link from it to this host."""
    inside, link = machine.namespace, machine.link
    call("ip", "netns", "add", inside)
    call("ip", "link", "add", link, "type", "veth", "peer", "name", "host0", "netns", inside)
    call("ip", "address", "add", f"{machine.host_address}/30", "dev", link)
    call("ip", "link", "set", link, "up")
    call("ip", "-n", inside, "address", "add", f"{machine.address}/30", "dev", "host0")
    call("ip", "-n", inside, "link", "set", "host0", "up")
    call("ip", "-n", inside, "link", "set", "lo", "up")
    call("ip", "-n", inside, "route", "add", "default", "via", machine.host_address)


def _boot(machine: Record) -> Record:
    """Start systemd-nspawn and wait for the ready notification of systemd(1) inside."""
    told = machine.folder / "notify"
    console = machine.folder / "console.log"
    command = [
        "systemd-nspawn", "--quiet", "--boot", f"--directory={machine.root}",
        f"--machine={machine.name}", "--register=no", "--keep-unit", "--notify-ready=yes",
        f"--network-namespace-path=/run/netns/{machine.namespace}", "--resolv-conf=off",
        "--timezone=off", "--link-journal=no", "--console=read-only",
    ]  # fmt: skip
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready, console.open("wb") as log:
        ready.bind(str(told))
        supervisor = subprocess.Popen(
            cgroup.entering(list(machine.cgroups), ["sh", "-c", _REBOOTING, *command]),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "NOTIFY_SOCKET": str(told)},
            start_new_session=True,
        )
        # It may outlive this process; `stop` waits for it by its process id.
        supervisor.returncode = 0
        process = Process.of(supervisor.pid)
        machine = replace(machine, supervisor=process)
        machine.write()
        if process is None or not _told(ready, process):
            lines = console.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            last = lines[-1] if lines else "nothing"
            raise MachineError(f"The machine {machine.name} did not boot; its last words: {last}")
    return machine


def _told(ready: socket.socket, supervisor: Process) -> bool:
    """Whether `READY=1` arrived before the deadline and before the supervisor ended."""
    handle = os.pidfd_open(supervisor.pid)
    try:
        deadline = time.monotonic() + BOOT_SECONDS
        while (left := deadline - time.monotonic()) > 0:
            readable = select.select([ready.fileno(), handle], [], [], left)[0]
            if ready.fileno() in readable:
                if b"READY=1" in ready.recv(4096).split(b"\n"):
                    return True
            elif handle in readable:
                return False
        return False
    finally:
        os.close(handle)
