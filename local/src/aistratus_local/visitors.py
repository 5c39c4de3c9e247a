"""Decides which requests a port on loopback accepts.

Every page in a person's browser can reach loopback, but its requests show where they come from:
the browser sets `Origin` and `Sec-Fetch-Site`, which no script can change, and `Host` is the name
that the page used. A stranger's name that resolves to loopback (DNS rebinding) is not one of ours.
So each request is checked before it has any effect.

Programs send neither `Origin` nor `Sec-Fetch-Site`. They are let in here; tokens and keys decide
what they may do.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aistratus_local.ports import HOST

LOOPBACK_NAMES: Final = (HOST, "localhost", "[::1]")
# Browsers send this for what the person did: an address typed in, a bookmark.
_BY_HAND: Final = "none"
_OWN: Final = "same-origin"


@dataclass(frozen=True, slots=True)
class TurnedAway:
    """The answer to a request that is refused."""

    status: HTTPStatus
    sentence: str


@dataclass(frozen=True, slots=True)
class Visitors:
    """The rules of one port. `is_host` accepts the port's own names, as in `Host`.

    `origins` are the other origins whose pages may call it. `has_pages`: it has pages of its own,
    which links and redirects from other sites may lead to. A port with neither is for programs
    only.
    """

    name: str
    is_host: Callable[[str], bool]
    origins: frozenset[str] = frozenset()
    has_pages: bool = False

    def turn_away(self, method: str, headers: Mapping[str, str]) -> TurnedAway | None:
        """The refusal, or None if the request may pass. Header names are lower case."""
        if not self.is_host(headers.get("host", "").lower()):
            return TurnedAway(
                HTTPStatus.MISDIRECTED_REQUEST,
                f"This is the {self.name} of one machine; ask for it by its own address.",
            )
        if self._is_strange(method, headers):
            return TurnedAway(
                HTTPStatus.FORBIDDEN,
                f"The {self.name} takes nothing from a page of another site; open the app itself.",
            )
        return None

    def _is_strange(self, method: str, headers: Mapping[str, str]) -> bool:
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is None and site is None:
            return False
        if origin in self.origins:
            return False
        if not self.has_pages and not self.origins:
            return True
        if site is None:  # an older browser
            return not self._is_own(origin)
        if site in (_OWN, _BY_HAND):
            return False
        is_visit = method in ("GET", "HEAD") and headers.get("sec-fetch-mode") == "navigate"
        return not (self.has_pages and is_visit and headers.get("sec-fetch-dest") == "document")

    def _is_own(self, origin: str | None) -> bool:
        scheme, _, host = (origin or "").partition("://")
        return scheme == "http" and self.is_host(host)


def at_port(port: int) -> Callable[[str], bool]:
    """The names of a port on loopback."""
    hosts = frozenset(f"{name}:{port}" for name in LOOPBACK_NAMES)
    return hosts.__contains__


def by_name(names: Iterable[str]) -> Callable[[str], bool]:
    """These names with any port, for a server that may be behind a proxy."""
    known = frozenset(names)

    def is_host(host: str) -> bool:
        name, _, port = host.rpartition(":")
        return name in known and port.isdigit()

    return is_host
