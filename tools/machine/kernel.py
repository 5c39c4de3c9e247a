"""What stands for a base image's kernel, and for a newer one that waits in the mirror.

A container has its host's kernel and none of its own. A base image has one in /boot that is older
than what the mirror offers, in the package and the metapackage by which Debian renews it.
"""

from pathlib import Path
from typing import Final

from machine.command import call
from machine.package import Package, build, repository

OLDER: Final = "6.1.0-44-cloud-amd64"
NEWER: Final = "6.1.0-49-cloud-amd64"

_MIRROR: Final = "srv/mirror"
_SOURCE: Final = f"deb [trusted=yes] file:/{_MIRROR} ./\n"

# A bootloader starts the newest; what runs is known only to the kernel, which is the host's.
_BOOTED: Final = """[Unit]
Description=Stands for the bootloader's choice
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'linux-version list | linux-version sort | tail -n 1 > /run/booted-kernel'
[Install]
WantedBy=sysinit.target
"""
_UNAME: Final = """#!/bin/sh
[ "$*" != -r ] || exec cat /run/booted-kernel
exec /usr/bin/uname "$@"
"""


def install(root: Path) -> None:
    """Give a machine's root its kernel, and the newer one in a mirror."""
    for name, package in _packages(OLDER, "6.1.164-1").items():
        built = build(name, package, root / "var/cache")
        # Not dpkg --root: it would look for the users of this root on the host.
        call("chroot", root, "dpkg", "--install", f"/{built.relative_to(root)}")
        built.unlink()
    repository(_packages(NEWER, "6.1.172-1"), root / _MIRROR)
    files = {
        "etc/apt/sources.list": _SOURCE,
        "etc/systemd/system/booted-kernel.service": _BOOTED,
        "usr/local/bin/uname": _UNAME,
    }
    for path, text in files.items():
        (root / path).write_text(text, encoding="utf-8")
    (root / "usr/local/bin/uname").chmod(0o755)
    wants = root / "etc/systemd/system/sysinit.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (wants / "booted-kernel.service").symlink_to("/etc/systemd/system/booted-kernel.service")


def _packages(kernel: str, version: str) -> dict[str, Package]:
    image = f"linux-image-{kernel}"
    files: dict[str, str | bytes] = {
        f"boot/vmlinuz-{kernel}": "stands for a kernel\n",
        f"lib/modules/{kernel}/modules.order": "",
    }
    return {
        image: Package(version, files),
        "linux-image-cloud-amd64": Package(version, depends=(image,)),
    }
