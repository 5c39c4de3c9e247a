"""The kit that was made elsewhere: checked against this machine, and unpacked."""

import json
import lzma
import platform
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any, Final

from gpu_bench.errors import Unprepared
from gpu_bench.options import ROOT

SERVER: Final = "llama-server"
SOURCES: Final = ("bench", "contracts/src", "daemon/src", "local/src")
"""The repository's own code, which is not installed here."""


def read_facts(kit: Path) -> dict[str, Any]:
    """For which card, Python and processor the kit is.

    Raises:
        Unprepared: there is no kit, or it is for another Python or processor.
    """
    try:
        facts: dict[str, Any] = json.loads((kit / "kit.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise Unprepared(
            f"There is no kit in {kit}: make one on a machine with a network (make bench-gpu-kit "
            "ARCH=sm_90) and bring it here, or name its folder with --kit."
        ) from None
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    for what, wanted, here in (
        ("Python", facts["python"], python),
        ("processor", facts["machine"], platform.machine()),
    ):
        if wanted != here:
            remedy = f', make it with ARGS="--python {here}"' if what == "Python" else ""
            raise Unprepared(
                f"The kit is for the {what} {wanted}, and this is {here}: bring another one{remedy}"
                "."
            )
    return facts


def unpack(kit: Path, place: Path) -> None:
    """Unpack the kit's packages into the folder `place`, whose content is replaced.

    Raises:
        Unprepared: they are not there, or broken.
    """
    shutil.rmtree(place, ignore_errors=True)
    packages = kit / "packages.tar.xz"
    try:
        with tarfile.open(packages) as archive:
            # Python 3.11.2, which is Debian 12's, has no filters yet.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(place)  # noqa: S202  the kit's code is run, too
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError) as error:
        raise Unprepared(f"{packages} is broken ({error}): bring the kit here again.") from error


def python_path(place: Path) -> list[str]:
    """Where Python finds the unpacked kit and the repository's code, the kit first."""
    return [str(place), *(str(ROOT / source) for source in SOURCES)]
