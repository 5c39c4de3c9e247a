"""Makes an apt repository that stands for NVIDIA's: same layout and names, a key of its own.

The packages are empty but for what the roles ask: a driver that says how a card is, `dkms` that
builds a module for a kernel whose headers are there and for no other, the persistence daemon's
unit, and CUDA's libraries, which have a name and no content, where NVIDIA's packages have them,
behind the same links. What NVIDIA ships is not ours to ship, and a test has no way to it. Debian's
kernel headers and `dkms` are among them, for the kernels of `machine.kernel`: a test has no way to
Debian's mirror either. Beside the repository lies `libggml-cuda.so`, which needs these libraries
as llama.cpp's does.

    python3 stand_in_repository.py FOLDER    prints the key's fingerprint
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from machine.kernel import NEWER, OLDER
from machine.package import Package, repository

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

# As nvidia-modprobe(1): the file of the unified memory only where it is asked for.
MODPROBE = """#!/bin/sh
[ "$1 $2 $3" = "-u -c 0" ] || exit 1
: >/dev/nvidia-uvm
"""

# The way to the folder of a version is two links: /usr/local/cuda, /etc/alternatives/cuda.
ALTERNATIVES = f"""#!/bin/sh
set -e
update-alternatives --install /usr/local/cuda cuda /{CUDA} 130
update-alternatives --install /usr/local/cuda-13 cuda-13 /{CUDA} 130
"""


# As Debian's dkms 3.0.10: what it says, where it logs, and with which code it ends.
DKMS = f"""#!/bin/sh
module=nvidia/{DRIVER}
kernel=$3
case $1 in
status)
    for built in /lib/modules/*/updates/dkms/nvidia.ko.xz; do
        [ ! -e "$built" ] || echo "$module, $(echo "$built" | cut -d/ -f4), x86_64: installed"
    done ;;
autoinstall)
    [ ! -e "/lib/modules/$kernel/updates/dkms/nvidia.ko.xz" ] || exit 0
    if [ ! -e "/lib/modules/$kernel/build" ]; then
        echo "Error! Your kernel headers for kernel $kernel cannot be found at" \
            "/lib/modules/$kernel/build or /lib/modules/$kernel/source." >&2
        exit 11
    fi
    echo "Building module:"
    if [ -e /etc/breaks-modules ]; then
        mkdir -p "/var/lib/dkms/$module/build"
        cat /etc/breaks-modules >"/var/lib/dkms/$module/build/make.log"
        echo "Error! Bad return status for module build on kernel: $kernel (x86_64)" >&2
        echo "Consult /var/lib/dkms/$module/build/make.log for more information." >&2
        exit 11
    fi
    mkdir -p "/lib/modules/$kernel/updates/dkms"
    touch "/lib/modules/$kernel/updates/dkms/nvidia.ko.xz" \
        "/lib/modules/$kernel/updates/dkms/nvidia-uvm.ko.xz" ;;
*)
    echo "Error! Unknown action specified: $1" >&2
    exit 2 ;;
esac
"""

# As dkms' common.postinst: for the kernel that runs and for the newest, of those with headers.
BUILDS = """#!/bin/sh
set -e
for kernel in $(printf '%s\\n' "$(uname -r)" "$(ls -v /lib/modules | tail -n 1)" | sort -u); do
    [ ! -e "/lib/modules/$kernel/build" ] || dkms autoinstall -k "$kernel"
done
"""


def packages() -> dict[str, Package]:
    """Each by its name."""
    return {
        **_headers(),
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
            {"DEBIAN/postinst": BUILDS},
            depends=("dkms",),
        ),
        "dkms": Package("3.0.10-8+deb12u1", {"usr/sbin/dkms": DKMS}),
        "nvidia-modprobe": Package(f"{DRIVER}-1", {"usr/bin/nvidia-modprobe": MODPROBE}),
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


def _headers() -> dict[str, Package]:
    """Those of both kernels; the metapackage leads to the newer, whichever is installed."""
    found = {
        f"linux-headers-{kernel}": Package(
            "6.1.172-1",
            {f"usr/src/linux-headers-{kernel}/Makefile": ""},
            {f"lib/modules/{kernel}/build": f"/usr/src/linux-headers-{kernel}"},
        )
        for kernel in (OLDER, NEWER)
    }
    metapackage = Package("6.1.172-1", depends=(f"linux-headers-{NEWER}",))
    return {**found, "linux-headers-cloud-amd64": metapackage}


def make(folder: Path) -> str:
    """The repository below `folder`; returns the fingerprint of the key that signs it."""
    place = folder / PLACE
    repository(packages(), place)
    index = (place / "Packages").read_bytes()
    release = (
        "Origin: NVIDIA\nSuite: /\nDate: Thu, 01 Jan 2026 00:00:00 UTC\n"
        f"SHA256:\n {hashlib.sha256(index).hexdigest()} {len(index)} Packages\n"
    )
    (place / "Release").write_text(release, encoding="utf-8")
    (folder / "libggml-cuda.so").write_bytes(
        _library("libggml-cuda.so", "libcudart.so.13", "libcublas.so.13", "libcuda.so.1")
    )
    return _signed(place)


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
