"""Ports on loopback: which are free, and which program has the others."""

import socket
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final

from aistratus_local.errors import LocalError, Usage

HOST: Final = "127.0.0.1"
_LISTENING: Final = "0A"


class PortTaken(LocalError):
    """Another program listens there."""

    def __init__(self, port: int, variable: str, holder: str) -> None:
        other = port + 100 if port + 100 < 65536 else port - 100
        super().__init__(
            f"Port {port} is taken by {holder}. Stop it, or choose another port with "
            f"{variable}={other}."
        )
        self.port = port


@dataclass(frozen=True, slots=True)
class PortNumbers:
    """The parts' ports; 0 means any free one."""

    app: int = 8550
    gateway: int = 8551
    login: int = 8552
    emulator: int = 8553
    imds: int = 0


VARIABLES: Final[Mapping[str, str]] = {
    "app": "APP_PORT",
    "gateway": "GATEWAY_PORT",
    "login": "ISSUER_PORT",
    "emulator": "EMULATOR_PORT",
    "imds": "IMDS_PORT",
}


def port_of(text: str, variable: str) -> int:
    """A port number; raises `Usage` for anything else."""
    if not text.isascii() or not text.isdigit() or int(text) > 65535:
        raise Usage(f"{variable} is {text!r}, which is no port. Give a number below 65536.")
    return int(text)


def claim(wanted: PortNumbers) -> PortNumbers:
    """The ports, with each 0 replaced by a free one; raises `PortTaken` or `LocalError`."""
    with ExitStack() as held:
        found: dict[str, int] = {}
        for item in fields(wanted):
            port = getattr(wanted, item.name)
            if port and port in found.values():
                raise LocalError(
                    f"Port {port} is given twice. Choose another one with {VARIABLES[item.name]}=…"
                )
            found[item.name] = _bind(held, port, VARIABLES[item.name])
            if item.name == "app":
                _check_ipv6(found[item.name], VARIABLES[item.name])
        return PortNumbers(**found)


def _bind(held: ExitStack, port: int, variable: str) -> int:
    """Bind the port and hold it until all are found, so that no two are the same."""
    probe = held.enter_context(socket.socket())
    # As the servers do, so that a closed connection in TIME_WAIT is no obstacle.
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind((HOST, port))
        # Two sockets can be bound to one address as long as neither listens.
        probe.listen(1)
    except PermissionError:
        raise LocalError(
            f"Port {port} needs more rights than this user has. Choose one above 1023 with "
            f"{variable}=…"
        ) from None
    except OSError:
        raise PortTaken(port, variable, holder_of(port)) from None
    number: int = probe.getsockname()[1]
    return number


def _check_ipv6(port: int, variable: str) -> None:
    """Check that ::1 is free too: browsers try it first for `localhost`."""
    with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.settimeout(1.0)
        if probe.connect_ex(("::1", port)) == 0:
            raise PortTaken(port, variable, holder_of(port))


def holder_of(port: int) -> str:
    """The program that listens there, in words; Linux names it if it is the user's own."""
    inodes = _listening_inodes(port)
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for entry in (folder / "fd").iterdir():
                with suppress(OSError):
                    if str(entry.readlink()) in inodes:
                        name = (folder / "comm").read_text().strip()
                        return f"another program ({name}, process {folder.name})"
    return "another program"


def _listening_inodes(port: int) -> set[str]:
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == _LISTENING and int(columns[1].rpartition(":")[2], 16) == port:
                    found.add(f"socket:[{columns[9]}]")
    return found
