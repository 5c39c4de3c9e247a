"""Makes an apt repository that stands for NVIDIA's: same layout and names, a key of its own.

The packages are empty but for what the role asks: a driver that says how a card is, `dkms` that
says a module is built, and the persistence daemon's unit. What NVIDIA ships is not ours to ship,
and a test has no way to it.

    python3 stand_in_repository.py FOLDER    prints the key's fingerprint
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

DRIVER = "580.178.04"
PLACE = Path("debian12") / "x86_64"
CARD = "0, Stand-in, 15360, 2, 34, 1590, 0, [N/A], [N/A], Not Active"

UNIT = """[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target
"""

PACKAGES: dict[str, tuple[str, dict[str, str]]] = {
    "linux-headers-cloud-amd64": ("6.1-1", {}),
    f"nvidia-driver-pinning-{DRIVER}": (f"{DRIVER}-1", {}),
    "nvidia-driver-cuda": (
        f"{DRIVER}-1",
        {"usr/bin/nvidia-smi": f"#!/bin/sh\ncat /etc/card 2>/dev/null || echo '{CARD}'\n"},
    ),
    "nvidia-kernel-open-dkms": (
        f"{DRIVER}-1",
        {"usr/sbin/dkms": f"#!/bin/sh\necho nvidia/{DRIVER}, 6.1.0-1-cloud, x86_64: installed\n"},
    ),
    "nvidia-persistenced": (
        f"{DRIVER}-1",
        {"lib/systemd/system/nvidia-persistenced.service": UNIT},
    ),
    "cuda-minimal-build-13-0": ("13.0.3-1", {}),
    "libcublas-dev-13-0": ("13.1.1.3-1", {}),
}
"""Each with its version and its files."""


def make(folder: Path) -> str:
    """The repository below `folder`; returns the fingerprint of the key that signs it."""
    place = folder / PLACE
    place.mkdir(parents=True)
    index = "\n".join(_package(name, place) for name in PACKAGES)
    (place / "Packages").write_text(index, encoding="utf-8")
    digest = hashlib.sha256(index.encode()).hexdigest()
    release = (
        "Origin: NVIDIA\nSuite: /\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
        f"SHA256:\n {digest} {len(index)} Packages\n"
    )
    (place / "Release").write_text(release, encoding="utf-8")
    return _signed(place)


def _package(name: str, place: Path) -> str:
    version, files = PACKAGES[name]
    control = (
        f"Package: {name}\nVersion: {version}\nArchitecture: all\n"
        "Maintainer: Aistratus\nDescription: stands for NVIDIA's in tests\n"
    )
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        for path, text in {"DEBIAN/control": control, **files}.items():
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
            target.chmod(0o755 if text.startswith("#!") else 0o644)
        built = place / f"{name}.deb"
        _run("dpkg-deb", "--root-owner-group", "--build", tree, built)
    data = built.read_bytes()
    return (
        f"{control}Filename: ./{built.name}\nSize: {len(data)}\n"
        f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
    )


def _signed(place: Path) -> str:
    with tempfile.TemporaryDirectory() as home:
        gpg = ("gpg", "--homedir", home, "--batch", "--quiet", "--passphrase", "", "--yes")
        _run(*gpg, "--quick-generate-key", "stand-in", "ed25519", "sign")
        listed = _run(*gpg, "--with-colons", "--list-keys")
        fingerprint = next(
            line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr")
        )
        _run(*gpg, "--armor", "--output", place / "3bf863cc.pub", "--export")
        _run(*gpg, "--clearsign", "--output", place / "InRelease", place / "Release")
        _run("gpgconf", "--homedir", home, "--kill", "gpg-agent")
    return fingerprint


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    if done.returncode:
        sys.exit(f"{command[0]}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.stdout.write(f"{make(Path(sys.argv[1]))}\n")
