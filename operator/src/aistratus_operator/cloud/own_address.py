"""The address at which AWS sees this machine."""

import ipaddress
import urllib.request
from typing import Final

from aistratus_operator.errors import OperatorError

CHECK_IP: Final = "https://checkip.amazonaws.com"
"""Amazon's own service, which Packer asks too; it answers with the caller's IPv4 address."""

_TIMEOUT_SECONDS: Final = 10
_MAX_ANSWER_BYTES: Final = 64


def own_cidr(url: str = CHECK_IP) -> str:
    """This machine's address as a network of one, such as `203.0.113.7/32`."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310  https
            text = answer.read(_MAX_ANSWER_BYTES).decode("ascii", "replace").strip()
        return f"{ipaddress.IPv4Address(text)}/32"
    except (OSError, ValueError) as error:
        gist = " ".join(str(error).split()).rstrip(".")
        raise OperatorError(
            f"{url} does not say at which address AWS sees this machine ({gist}), and the builder "
            "is opened to that one alone. Name it: make image "
            "ARGS='-var ssh_cidrs=[\"203.0.113.7/32\"]'"
        ) from error
