"""A signed token, read strictly: what RFC 7515 and 7519 leave open is refused (RFC 8725).

A header or a payload that can be read in two ways (a name twice, base64 with odd characters, a
number where a text belongs) may be read in one way here and in another behind. So it is none.
Times have to be numbers: `true` and `"1"` are not.
"""

import base64
import binascii
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

# API Gateway takes 10,240 bytes of headers in all.
MAX_TOKEN_CHARS: Final = 10_240
MAX_DIGITS: Final = 20
# Where a token says what it is, it is one of these (RFC 7519, RFC 9068); Cognito's say nothing.
TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt"})
_BASE64URL: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


class NotAToken(Exception):
    """It is no signed token, or none that can be read in one way only."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A token's parts. What is in the payload is not read before the signature is verified."""

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
    # `crit` names what a reader has to understand, and no such thing is understood here. A key
    # that the token brings along (`jwk`, `jku`, `x5u`, `x5c`) is not looked at.
    if not kid or kind.lower() not in TYPES or "crit" in header or "b64" in header:
        raise NotAToken
    signed = text.rpartition(".")[0].encode("ascii")
    return SignedToken(kid, algorithm, _decoded(parts[1]), signed, _decoded(parts[2]))


def read_claims(payload: bytes) -> dict[str, Any]:
    """What a verified token says; raises `NotAToken` for what is no JSON object."""
    return _object(payload)


def time_of(claims: Mapping[str, Any], name: str) -> float | None:
    """A claim that is a time (RFC 7519: NumericDate); None if absent, else raises `NotAToken`."""
    if name not in claims:
        return None
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise NotAToken
    return float(value)


def texts_of(claims: Mapping[str, Any], name: str) -> list[str]:
    """A claim that is a text or a list of texts (`aud`); raises `NotAToken` for anything else."""
    value = claims.get(name, [])
    found = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in found):
        raise NotAToken
    return found


def scopes_of(claims: Mapping[str, Any]) -> frozenset[str]:
    """RFC 6749's `scope`: one text, names with a space between; raises `NotAToken`.

    Only U+0020 is a space. A list (which some issuers write) would be one text behind the
    gateway, and a name with a space in it then two names.
    """
    value = claims.get("scope", "")
    if not isinstance(value, str):
        raise NotAToken
    return frozenset(value.split(" ")) - {""}


def _decoded(part: str) -> bytes:
    """Base64url without padding, in the one way that each content has."""
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
