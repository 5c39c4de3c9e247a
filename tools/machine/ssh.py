"""Access to a machine: SSH, with keys made for this machine alone."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from machine.command import call
from machine.record import Record

_HOST_KEY = "etc/ssh/ssh_host_ed25519_key"


def key(machine: Record) -> Path:
    """The private key that root inside accepts."""
    return machine.folder / "id_ed25519"


def options(machine: Record) -> list[str]:
    """The options for ssh(1), which ignore the person's own configuration."""
    chosen = {
        "IdentitiesOnly": "yes",
        "IdentityFile": key(machine),
        "UserKnownHostsFile": machine.folder / "known_hosts",
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "ConnectTimeout": "10",
        "LogLevel": "ERROR",
    }
    return [
        "-F",
        "none",
        *(part for each in chosen.items() for part in ("-o", "=".join(map(str, each)))),
    ]


def introduce(machine: Record) -> None:
    """Give each side the other's key, before the machine boots."""
    host_key = machine.root / _HOST_KEY
    for path, comment in ((key(machine), "machine"), (host_key, machine.name)):
        call("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path)
    public = host_key.with_name(f"{host_key.name}.pub").read_text(encoding="ascii").split()[:2]
    known = f"{machine.address} {' '.join(public)}\n"
    (machine.folder / "known_hosts").write_text(known, encoding="ascii")
    home = machine.root / "root" / ".ssh"
    home.mkdir(mode=0o700, exist_ok=True)
    (home / "authorized_keys").write_bytes(key(machine).with_name("id_ed25519.pub").read_bytes())


def command(machine: Record, words: Sequence[str] = ()) -> list[str]:
    """The command line that runs `words` in the machine as root, or a shell."""
    return ["ssh", *options(machine), f"root@{machine.address}", *words]


def run(machine: Record, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run a shell script in the machine as root; with `check`, a failure raises."""
    return subprocess.run(
        command(machine, [script]),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=check,
    )


def inventory(machine: Record) -> dict[str, object]:
    """The machine as an Ansible inventory of one host."""
    return {
        "all": {
            "hosts": {
                machine.name: {
                    "ansible_host": machine.address,
                    "ansible_user": "root",
                    "ansible_ssh_private_key_file": str(key(machine)),
                    "ansible_ssh_common_args": " ".join(options(machine)),
                    "ansible_python_interpreter": "/usr/bin/python3",
                    "host_address": machine.host_address,
                }
            }
        }
    }
