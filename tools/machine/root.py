"""The Debian root that all machines share: made once, kept in the person's cache."""

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
from machine.kernel import install as install_kernel

SUITE: Final = "bookworm"

# The packages of Debian's EC2 image that the roles touch, and those that the roles install: a
# machine cannot reach a mirror.
PACKAGES: Final = (
    "ca-certificates",
    "chrony",
    "curl",
    "dbus",
    "gpg",
    "iproute2",
    "libgomp1",
    "linux-base",
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

# Removed from the root: each machine gets its own keys, name and id.
_OWN: Final = ("etc/machine-id", "etc/hostname", "var/lib/dbus/machine-id")
_OWN_PATTERN: Final = "etc/ssh/ssh_host_*"

# What we add to Debian's packages.
_OURS: Final = tuple(Path(__file__).with_name(name) for name in ("kernel.py", "package.py"))


def cache() -> Path:
    """The folder of roots and writable layers, under `XDG_CACHE_HOME` or `~/.cache`."""
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "aistratus" / "machine"


def debian_root() -> Path:
    """The root's folder, made if missing; that takes a minute and needs Debian's mirror."""
    made = "\n".join((SUITE, *PACKAGES, _OWN_PATTERN, *(each.read_text("utf-8") for each in _OURS)))
    digest = hashlib.sha256(made.encode()).hexdigest()
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
        install_kernel(half)
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
    """Allows one maker at a time; the second finds what the first has made."""
    with root.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
