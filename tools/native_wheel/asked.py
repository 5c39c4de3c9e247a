"""What these two commands take; checked before anything is installed."""

import re
from collections.abc import Mapping
from typing import Final

from housekeeping.errors import HouseError
from housekeeping.released import PROCESSORS

_VERSION: Final = re.compile(r"v\d+\.\d+\.\d+")


def processor_of(environ: Mapping[str, str]) -> str:
    """The processor in PROCESSOR; raises `HouseError`."""
    processor = environ.get("PROCESSOR", "")
    if processor not in PROCESSORS:
        raise HouseError(
            f"There is no recipe for the processor {processor!r}. Say PROCESSOR= one of: "
            f"{', '.join(PROCESSORS)}."
        )
    return processor


def version_of(environ: Mapping[str, str]) -> str:
    """The release in VERSION; raises `HouseError`."""
    version = environ.get("VERSION", "")
    if not _VERSION.fullmatch(version):
        raise HouseError(f"{version!r} is no release. Name one with VERSION=v1.2.3.")
    return version
