"""Admits only programs with the emulator's key, and no browsers."""

import hmac
import re
from collections.abc import Collection, Mapping
from http import HTTPStatus
from typing import Any, Final

from aistratus_local.visitors import LOOPBACK_NAMES, TurnedAway, Visitors, by_name

_CREDENTIAL: Final = re.compile(r"Credential=([^/,\s]+)/")
_BROWSERS_HEADERS: Final = ("HTTP_ORIGIN", "HTTP_SEC_FETCH_SITE")
# Cognito's clients call this before they have anything to sign with. Here only the login calls
# it, to sign people in; browsers are refused before.
_SIGN_IN: Final = "AWSCognitoIdentityProviderService.InitiateAuth"
_KEY_SET: Final = re.compile(r"/[\w-]+/\.well-known/jwks\.json")


class Admission:
    """Checks each request before moto or anything else sees it.

    Of the signature it checks only the access key id, which is as long as a secret, drawn at
    random for this system alone, and never logged. Checking the rest would take botocore 0.15 ms a
    call, where this takes 3 µs, and would keep out nobody who lacks the id.
    """

    def __init__(self, host: str, keys: Collection[str]) -> None:
        self._keys = [key.encode() for key in keys]
        # A test's proxy may be in front of it, at another port: only the name counts.
        self._visitors = Visitors("AWS emulator", by_name({*LOOPBACK_NAMES, host}))

    def refusal(self, environ: Mapping[str, Any]) -> TurnedAway | None:
        """The refusal, or None to admit the request; `environ` is WSGI's."""
        headers = {"host": environ.get("HTTP_HOST", "")}
        for name in _BROWSERS_HEADERS:
            if name in environ:
                headers[name.removeprefix("HTTP_").lower().replace("_", "-")] = environ[name]
        turned_away = self._visitors.turn_away(environ["REQUEST_METHOD"], headers)
        if turned_away is None and not self._is_known(environ):
            return TurnedAway(
                HTTPStatus.FORBIDDEN,
                "The security token included in the request is invalid: call with the access key "
                "that this emulator was started with.",
            )
        return turned_away

    def _is_known(self, environ: Mapping[str, Any]) -> bool:
        authorization = environ.get("HTTP_AUTHORIZATION")
        if authorization is None:
            return _needs_no_signature(environ)
        signed = _CREDENTIAL.search(authorization)
        if signed is None:
            return False
        given = signed[1].encode("latin-1")
        return any(hmac.compare_digest(given, key) for key in self._keys)


def _needs_no_signature(environ: Mapping[str, Any]) -> bool:
    if environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == "/":
        return bool(environ.get("HTTP_X_AMZ_TARGET") == _SIGN_IN)
    is_get = environ["REQUEST_METHOD"] == "GET"
    return is_get and _KEY_SET.fullmatch(environ["PATH_INFO"]) is not None
