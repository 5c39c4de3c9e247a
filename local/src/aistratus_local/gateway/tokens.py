"""Reads signed tokens strictly: what RFC 7515 and 7519 leave open is refused (RFC 8725).

A header or payload that can be read in two ways (a duplicate name, base64 with odd characters, a
number where a string belongs) might be read in one way here and in another by the function. So it
is refused. Times must be numbers: `true` and `"1"` are not.
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

# API Gateway accepts 10,240 bytes of headers in all.
MAX_TOKEN_CHARS: Final = 10_240
MAX_DIGITS: Final = 20
# The values accepted for `typ` (RFC 7519, RFC 9068); Cognito's tokens have none.
TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_BASE64URL: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class NotAToken(Exception):
    """Not a signed token, or one that could be read in more than one way."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token's parts. The payload is not parsed before the signature is verified."""

    kid: str
    algorithm: str
    payload: bytes
    signed: bytes
    signature: bytes


def read_token(text: str) -> SignedToken:
    """The parts of a token in JWS's compact form; raises `NotAToken`."""
    parts = text.split(".", 3) if len(text) <= MAX_TOKEN_CHARS else []
    if len(parts) != 3:
        raise NotAToken
    header = _object(_decoded(parts[0]))
    kid, algorithm, kind = header.get("kid"), header.get("alg"), header.get("typ", "JWT")
    if not isinstance(kid, str) or not isinstance(algorithm, str) or not isinstance(kind, str):
        raise NotAToken
    # `crit` lists extensions that a reader must understand; none are supported here. A key in
    # the token itself (`jwk`, `jku`, `x5u`, `x5c`) is ignored.
    if not kid or kind.lower() not in TYPES or "crit" in header or "b64" in header:
        raise NotAToken
    signed = text.rpartition(".")[0].encode("ascii")
    return SignedToken(kid, algorithm, _decoded(parts[1]), signed, _decoded(parts[2]))


def read_claims(payload: bytes) -> dict[str, Any]:
    """A verified token's claims; raises `NotAToken` if they are not a JSON object."""
    return _object(payload)


def time_of(claims: Mapping[str, Any], name: str) -> float | None:
    """A claim as a time (RFC 7519: NumericDate); None if absent; raises `NotAToken`."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise NotAToken
    return float(value)


def texts_of(claims: Mapping[str, Any], name: str) -> list[str]:
    """A claim that is a string or a list of strings (`aud`); raises `NotAToken` otherwise."""
    value = claims.get(name, [])
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in found):
        raise NotAToken
    return found


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """RFC 6749's `scope`: one string of names, separated by spaces; raises `NotAToken`.

    Only U+0020 is a space. A list (which some issuers write) would be one string behind the
    gateway, where a name that contains a space would become two names.
    """
    value = claims.get("scope", "")
    if not isinstance(value, str):
        raise NotAToken
    return frozenset(value.split(" ")) - {""}


def _decoded(part: str) -> bytes:
    """Decode base64url without padding, in its canonical form only."""
    try:
        raw = part.encode("ascii")
        if not raw or not _BASE64URL.issuperset(raw):
            raise NotAToken
        content = base64.urlsafe_b64decode(raw + b"=" * (-len(raw) % 4))
    except (UnicodeEncodeError, binascii.Error):
        raise NotAToken from None
    if base64.urlsafe_b64encode(content).rstrip(b"=") != raw:
        raise NotAToken
    return content


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_once_each,
            parse_constant=_refuse,
            parse_int=_integer,
        )
    except (ValueError, RecursionError):
        raise NotAToken from None
    if not isinstance(found, dict):
        raise NotAToken
    return found


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise NotAToken
    return found


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise NotAToken
    return int(digits)


def _refuse(_: str) -> NoReturn:
    raise NotAToken
