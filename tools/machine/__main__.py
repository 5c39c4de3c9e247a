"""`python -m machine start|stop|list|ssh`: throw-away Debian machines, see `machine`."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from machine import boot, record, ssh
from machine.errors import MachineError

OWNER_VARIABLE = "AISTRATUS_MACHINE_OWNER"


def main() -> int:
    """Run one command; prints errors as sentences."""
    parser = argparse.ArgumentParser(prog="machine", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    starting = commands.add_parser("start", help="boot a machine, and keep it until it is stopped")
    starting.add_argument("name")
    starting.add_argument("--inventory", type=Path, help="write an Ansible inventory there")
    starting.add_argument(
        "--owner",
        type=int,
        default=os.environ.get(OWNER_VARIABLE) or None,
        help=f"the process with which it ends; {OWNER_VARIABLE} says it as well",
    )
    stopping = commands.add_parser("stop", help="end a machine, and remove it")
    stopping.add_argument("name")
    commands.add_parser("list", help="the machines that there are")
    commands.add_parser("clear", help="remove machines whose owner is gone, and those that ended")
    entering = commands.add_parser("ssh", help="a shell or a command in a machine")
    entering.add_argument("name")
    entering.add_argument("words", nargs=argparse.REMAINDER)
    try:
        return _do(parser.parse_args())
    except MachineError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _do(chosen: argparse.Namespace) -> int:
    if chosen.command == "start":
        machine = boot.start(chosen.name, owner=chosen.owner)
        if chosen.inventory is not None:
            chosen.inventory.parent.mkdir(parents=True, exist_ok=True)
            # JSON is YAML.
            chosen.inventory.write_text(json.dumps(ssh.inventory(machine)), encoding="utf-8")
        sys.stdout.write(f"{machine.name} {machine.address}\n")
    elif chosen.command == "stop":
        boot.stop(record.find(chosen.name))
    elif chosen.command == "list":
        for machine in record.read_all():
            state = "left over" if machine.is_left_over else "running"
            sys.stdout.write(f"{machine.name} {machine.address} {state}\n")
    elif chosen.command == "clear":
        for name in boot.clear_left_overs():
            sys.stdout.write(f"{name} removed\n")
    else:
        return subprocess.run(
            ssh.command(record.find(chosen.name), chosen.words), check=False
        ).returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
