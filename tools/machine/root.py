"""The Debian root that all machines are copies of: made once, kept in the person's cache."""

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from machine.command import call
from machine.errors import MachineError

SUITE: Final = "bookworm"

# What Debian's image for EC2 has, as far as a role touches it, and what the roles install: a
# machine has no way to a mirror.
PACKAGES: Final = (
    "ca-certificates",
    "chrony",
    "curl",
    "dbus",
    "gpg",
    "iproute2",
    "libgomp1",
    "openssh-server",
    "procps",
    "python3",
    "python3-apt",
    "python3-venv",
    "rsyslog",
    "sudo",
    "systemd",
    "systemd-sysv",
    "unattended-upgrades",
)

# A machine gets keys, a name and an identity of its own.
_OWN: Final = ("etc/machine-id", "etc/hostname", "var/lib/dbus/machine-id")
_OWN_PATTERN: Final = "etc/ssh/ssh_host_*"


def cache() -> Path:
    """Where roots and the machines' writable layers lie: `XDG_CACHE_HOME`, or `~/.cache`."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "aistratus" / "machine"


def debian_root() -> Path:
    """The root's folder, made now if it is not there; takes a minute, and Debian's mirror."""
    digest = hashlib.sha256("\n".join((SUITE, *PACKAGES, _OWN_PATTERN)).encode()).hexdigest()
    root = cache() / f"debian-{SUITE}-{digest[:12]}"
    cache().mkdir(parents=True, exist_ok=True)
    with _alone(root):
        if not root.exists():
            _make(root)
    return root


def _make(root: Path) -> None:
    sys.stderr.write(f"Making a Debian {SUITE} root in {root}; this takes a minute …\n")
    half = root.with_suffix(".part")
    shutil.rmtree(half, ignore_errors=True)
    try:
        call("mmdebstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", SUITE, half)
    except MachineError as error:
        shutil.rmtree(half, ignore_errors=True)
        raise MachineError(
            f"The Debian root could not be made. {error} Is Debian's mirror within reach?"
        ) from None
    for path in [half / own for own in _OWN] + list(half.glob(_OWN_PATTERN)):
        path.unlink(missing_ok=True)
    half.rename(root)


@contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One maker at a time; the second finds what the first has made."""
    with root.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
