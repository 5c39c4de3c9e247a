"""The gateway's authorizer admits what API Gateway admits, and repeats nothing of a token."""

import asyncio
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from aistratus_local.gateway.authorizer import (
    KEYS_MAX_AGE_SECONDS,
    UNKNOWN_KEY_PAUSE_SECONDS,
    Authorizer,
    Forbidden,
    KeySource,
    Unauthorized,
)

ISSUER = "http://127.0.0.1:8552/pool"
CLIENT_ID = "our-app"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SCOPES = ["aistratus/infer", "aistratus/operate"]


def jwk(key: rsa.RSAPrivateKey, kid: str) -> dict[str, Any]:
    public = json.loads(RSAAlgorithm.to_jwk(key.public_key()))
    return {**public, "kid": kid, "alg": "RS256", "use": "sig"}


@dataclass
class Issuer:
    """An issuer over HTTP, as far as the authorizer sees it; and its clock."""

    keys: list[dict[str, Any]] = field(default_factory=lambda: [jwk(KEY, "one")])
    is_down: bool = False
    jwks_uri: str = f"{ISSUER}/.well-known/jwks.json"
    asked: list[str] = field(default_factory=list)
    now: float = 1000.0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.path)
        if self.is_down:
            raise httpx.ConnectError("down")
        if request.url.path.endswith("openid-configuration"):
            return httpx.Response(200, json={"issuer": ISSUER, "jwks_uri": self.jwks_uri})
        return httpx.Response(200, json={"keys": self.keys})

    def authorizer(self) -> Authorizer:
        source = KeySource(ISSUER, transport=httpx.MockTransport(self), monotonic=lambda: self.now)
        return Authorizer(source, ISSUER, [CLIENT_ID], SCOPES)


def token(key: Any = KEY, kid: str = "one", algorithm: str = "RS256", **changes: object) -> str:
    now = int(time.time())
    claims: dict[str, object] = {
        "iss": ISSUER,
        "sub": "someone",
        "client_id": CLIENT_ID,
        "token_use": "access",
        "scope": "openid aistratus/infer",
        "iat": now,
        "exp": now + 3600,
        "version": 2,
        **changes,
    }
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else None)


def authorize(header: str | None, issuer: Issuer | None = None) -> dict[str, Any]:
    return asyncio.run((issuer or Issuer()).authorizer().authorize(header))


def test_a_good_token_comes_through_with_its_claims_as_text() -> None:
    found = authorize(f"Bearer {token(groups=['a', 'b'], flag=True)}")
    claims = found["jwt"]["claims"]
    assert claims["sub"] == "someone"
    assert claims["version"] == "2"
    assert claims["groups"] == "[a b]"
    assert claims["flag"] == "true"
    assert all(isinstance(value, str) for value in claims.values())
    assert found["jwt"]["scopes"] == ["aistratus/infer"]


def test_the_word_bearer_may_be_missing_or_small() -> None:
    assert authorize(token())
    assert authorize(f"bearer {token()}")


def test_an_audience_does_as_well_as_a_client_id() -> None:
    # That is why the function behind it must look at token_use: an ID token has one.
    assert authorize(token(client_id=None, aud=CLIENT_ID))


# Made when the test runs, not when it is collected: a long run would outlive "not yet valid".
REFUSED: dict[str, Callable[[int], str | None]] = {
    "none": lambda _: None,
    "empty": lambda _: "",
    "the word alone": lambda _: "Bearer",
    "three words": lambda _: "Bearer a b",
    "another scheme": lambda _: "Basic dXNlcjpwYXNz",
    "nonsense": lambda _: "Bearer not.a.token",
    "expired": lambda now: token(exp=now - 1),
    "no expiry": lambda _: token(exp=None),
    "not yet valid": lambda now: token(nbf=now + 600),
    "from the future": lambda now: token(iat=now + 600),
    "another issuer": lambda _: token(iss="http://127.0.0.1:8552/other"),
    "no issuer": lambda _: token(iss=None),
    "another app": lambda _: token(client_id="another"),
    "another audience": lambda _: token(client_id=None, aud="another"),
    "an audience besides our client id": lambda _: token(aud="another"),
    "no app": lambda _: token(client_id=None),
    "another key": lambda _: token(OTHER_KEY),
    "an unknown key": lambda _: token(OTHER_KEY, kid="two"),
    "no key id": lambda _: token(kid=""),
    "a shared secret": lambda _: token("a" * 64, algorithm="HS256"),
    "no signature": lambda _: token("", algorithm="none"),
    "RS512": lambda _: token(algorithm="RS512"),
    "a cut signature": lambda _: token()[:-20],
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_good_token_is_refused(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    header = REFUSED[kind](int(time.time()))
    with pytest.raises(Unauthorized) as caught:
        authorize(header)
    words = (header or "").split()
    for part in words[-1].split(".") if words else []:
        assert len(part) < 8 or part not in caplog.text + caught.value.reason


def test_a_token_changed_afterwards_is_refused() -> None:
    head, _, signature = token().split(".")
    body = token(sub="somebody else").split(".")[1]
    with pytest.raises(Unauthorized, match="invalid signature"):
        authorize(f"{head}.{body}.{signature}")


def test_a_key_in_the_token_is_not_used() -> None:
    forged = jwt.encode(
        {"iss": ISSUER, "exp": int(time.time()) + 60, "client_id": CLIENT_ID, "scope": SCOPES[0]},
        OTHER_KEY,
        "RS256",
        headers={"kid": "one", "jwk": jwk(OTHER_KEY, "one"), "jku": "http://evil.example"},
    )
    with pytest.raises(Unauthorized):
        authorize(forged)


@pytest.mark.parametrize("scope", [None, "", "openid", "aistratus/inference", "aistratus"])
def test_without_any_of_the_scopes_it_is_forbidden(scope: str | None) -> None:
    with pytest.raises(Forbidden):
        authorize(token(scope=scope))


def test_any_of_the_scopes_does() -> None:
    found = authorize(token(scope="aistratus/operate openid"))
    assert found["jwt"]["scopes"] == ["aistratus/operate"]


async def _repeatedly(issuer: Issuer, *steps: tuple[float, str]) -> list[bool]:
    authorizer, admitted = issuer.authorizer(), []
    for passed, header in steps:
        issuer.now += passed
        try:
            await authorizer.authorize(header)
            admitted.append(True)
        except Unauthorized:
            admitted.append(False)
    return admitted


def test_keys_are_fetched_once() -> None:
    issuer = Issuer()
    assert asyncio.run(_repeatedly(issuer, *[(1.0, token())] * 20)) == [True] * 20
    assert len(issuer.asked) == 2  # discovery, keys


def test_unknown_keys_lead_to_one_fetch_in_a_while() -> None:
    issuer = Issuer()
    forged = token(OTHER_KEY, kid="two")
    asyncio.run(_repeatedly(issuer, (0.0, token()), *[(0.1, forged)] * 50))
    assert len(issuer.asked) == 2
    issuer.asked.clear()
    asyncio.run(_repeatedly(issuer, (0.0, token()), *[(UNKNOWN_KEY_PAUSE_SECONDS, forged)] * 3))
    assert len(issuer.asked) == 2 + 3 * 2


def test_a_new_key_is_found() -> None:
    issuer = Issuer()

    async def rotate() -> dict[str, Any]:
        authorizer = issuer.authorizer()
        await authorizer.authorize(token())
        issuer.keys = [jwk(OTHER_KEY, "two")]
        issuer.now += UNKNOWN_KEY_PAUSE_SECONDS
        return await authorizer.authorize(token(OTHER_KEY, kid="two"))

    assert asyncio.run(rotate())


def test_the_last_good_keys_outlive_an_issuer_that_is_down() -> None:
    issuer = Issuer()

    async def outage() -> list[dict[str, Any]]:
        authorizer = issuer.authorizer()
        found = [await authorizer.authorize(token())]
        issuer.is_down = True
        for _ in range(3):
            issuer.now += KEYS_MAX_AGE_SECONDS + 1
            found.append(await authorizer.authorize(token()))
        return found

    assert len(asyncio.run(outage())) == 4


def test_keys_from_another_place_are_not_taken() -> None:
    issuer = Issuer(jwks_uri="http://evil.example/jwks.json")
    with pytest.raises(Unauthorized):
        authorize(token(), issuer)
    assert issuer.asked == ["/pool/.well-known/openid-configuration"]


def test_a_redirect_is_not_followed() -> None:
    asked: list[str] = []

    def redirecting(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"location": "http://evil.example/"})

    source = KeySource(ISSUER, transport=httpx.MockTransport(redirecting))
    authorizer = Authorizer(source, ISSUER, [CLIENT_ID], SCOPES)
    with pytest.raises(Unauthorized):
        asyncio.run(authorizer.authorize(token()))
    assert len(asked) == 1
