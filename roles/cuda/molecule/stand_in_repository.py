"""Makes an apt repository that stands for NVIDIA's: same layout and names, a key of its own.

The packages are empty but for what the roles ask: a driver that says how a card is, `dkms` that
says a module is built, the persistence daemon's unit, and CUDA's libraries, which have a name and
no content, where NVIDIA's packages have them, behind the same links. What NVIDIA ships is not ours
to ship, and a test has no way to it. Beside the repository lies `libggml-cuda.so`, which needs
these libraries as llama.cpp's does.

    python3 stand_in_repository.py FOLDER    prints the key's fingerprint
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

DRIVER = "580.178.04"
PLACE = Path("debian12") / "x86_64"
CARD = "0, Stand-in, 15360, 2, 34, 1590, 0, [N/A], [N/A], Not Active"
CUDA = "usr/local/cuda-13.0"
LIBRARIES = f"{CUDA}/targets/x86_64-linux/lib"

UNIT = """[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
[Install]
WantedBy=multi-user.target
"""

# The way to the folder of a version is two links: /usr/local/cuda, /etc/alternatives/cuda.
ALTERNATIVES = f"""#!/bin/sh
set -e
update-alternatives --install /usr/local/cuda cuda /{CUDA} 130
update-alternatives --install /usr/local/cuda-13 cuda-13 /{CUDA} 130
"""


@dataclass(frozen=True)
class Package:
    """A package: its files (a text, or the bytes of a library), its links, what it depends on."""

    version: str
    files: dict[str, str | bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    depends: tuple[str, ...] = ()


def packages() -> dict[str, Package]:
    """Each by its name."""
    return {
        "linux-headers-cloud-amd64": Package("6.1-1"),
        f"nvidia-driver-pinning-{DRIVER}": Package(f"{DRIVER}-1"),
        "libcuda1": Package(
            f"{DRIVER}-1",
            {"usr/lib/x86_64-linux-gnu/libcuda.so.1": _library("libcuda.so.1")},
        ),
        "nvidia-driver-cuda": Package(
            f"{DRIVER}-1",
            {"usr/bin/nvidia-smi": f"#!/bin/sh\ncat /etc/card 2>/dev/null || echo '{CARD}'\n"},
            depends=("libcuda1",),
        ),
        "nvidia-kernel-open-dkms": Package(
            f"{DRIVER}-1",
            {
                "usr/sbin/dkms": f"#!/bin/sh\necho nvidia/{DRIVER}, 6.1.0-1-cloud, x86_64:"
                " installed\n"
            },
        ),
        "nvidia-persistenced": Package(
            f"{DRIVER}-1",
            {"lib/systemd/system/nvidia-persistenced.service": UNIT},
        ),
        "cuda-toolkit-config-common": Package(
            "13.0.96-1",
            {"etc/ld.so.conf.d/000_cuda.conf": "/usr/local/cuda/targets/x86_64-linux/lib\n"},
        ),
        "cuda-toolkit-13-0-config-common": Package(
            "13.0.96-1",
            {"DEBIAN/postinst": ALTERNATIVES},
            {f"{CUDA}/lib64": "targets/x86_64-linux/lib"},
            ("cuda-toolkit-config-common",),
        ),
        "cuda-cudart-13-0": Package(
            "13.0.96-1",
            {f"{LIBRARIES}/libcudart.so.13": _library("libcudart.so.13")},
            depends=("cuda-toolkit-13-0-config-common",),
        ),
        "libcublas-13-0": Package(
            "13.1.1.3-1",
            {f"{LIBRARIES}/libcublas.so.13": _library("libcublas.so.13")},
            depends=("cuda-toolkit-13-0-config-common",),
        ),
        "cuda-nvcc-13-0": Package("13.0.88-1", {f"{CUDA}/bin/nvcc": "#!/bin/sh\n"}),
        "cuda-minimal-build-13-0": Package(
            "13.0.3-1", depends=("cuda-cudart-13-0", "cuda-nvcc-13-0")
        ),
        "libcublas-dev-13-0": Package("13.1.1.3-1", depends=("libcublas-13-0",)),
    }


def make(folder: Path) -> str:
    """The repository below `folder`; returns the fingerprint of the key that signs it."""
    place = folder / PLACE
    place.mkdir(parents=True)
    index = "\n".join(_package(name, each, place) for name, each in packages().items())
    (place / "Packages").write_text(index, encoding="utf-8")
    digest = hashlib.sha256(index.encode()).hexdigest()
    release = (
        "Origin: NVIDIA\nSuite: /\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
        f"SHA256:\n {digest} {len(index)} Packages\n"
    )
    (place / "Release").write_text(release, encoding="utf-8")
    (folder / "libggml-cuda.so").write_bytes(
        _library("libggml-cuda.so", "libcudart.so.13", "libcublas.so.13", "libcuda.so.1")
    )
    return _signed(place)


def _package(name: str, package: Package, place: Path) -> str:
    control = (
        f"Package: {name}\nVersion: {package.version}\nArchitecture: all\n"
        "Maintainer: Aistratus\nDescription: stands for NVIDIA's in tests\n"
    )
    if package.depends:
        control += f"Depends: {', '.join(package.depends)}\n"
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        for path, content in {"DEBIAN/control": control, **package.files}.items():
            data = content.encode() if isinstance(content, str) else content
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            target.chmod(0o755 if data.startswith(b"#!") else 0o644)
        for path, leads_to in package.links.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).symlink_to(leads_to)
        built = place / f"{name}.deb"
        _run("dpkg-deb", "--root-owner-group", "--build", tree, built)
    data = built.read_bytes()
    return (
        f"{control}Filename: ./{built.name}\nSize: {len(data)}\n"
        f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
    )


def _library(soname: str, *needed: str) -> bytes:
    """A shared library of that name with nothing in it, which needs those others."""
    with tempfile.TemporaryDirectory() as scratch:
        built = Path(scratch) / soname
        others = [Path(scratch) / each for each in needed]
        for other in others:
            other.write_bytes(_library(other.name))
        compiler = ("cc", "-shared", "-nostdlib", "-x", "c", "/dev/null", "-x", "none")
        _run(*compiler, "-Wl,--no-as-needed", f"-Wl,-soname,{soname}", "-o", built, *others)
        return built.read_bytes()


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
