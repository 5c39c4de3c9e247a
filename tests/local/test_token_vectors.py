"""Forged and malformed tokens, at the gateway and at the router behind it.

The vectors are of `support.token_vectors`. Where Wycheproof's lie in the cache
(`python -m wycheproof` fetches them), those of JWS are tried as well.
"""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from aistratus_contracts.registry import Scope
from aistratus_local.gateway.authorizer import Authorizer, Forbidden, KeySource, Unauthorized
from aistratus_local.gateway.tokens import NotAToken
from aistratus_router.api.access import admit
from aistratus_router.wire.problems import Refusal
from support import token_vectors
from wycheproof import CACHE

KEPT: Final = json.loads((Path(__file__).parent / "vectors" / "tokens.json").read_text("utf-8"))
SCOPES: Final = [scope.value for scope in Scope]
CLOCK_IS_OFF_SECONDS: Final = 600


@dataclass(frozen=True)
class Issuer:
    """Keys, and a gateway that trusts them."""

    keys: list[dict[str, Any]]
    now: float = KEPT["now"]
    url: str = KEPT["issuer"]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("openid-configuration"):
            document: dict[str, Any] = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}
        else:
            document = {"keys": self.keys}
        return httpx.Response(200, json=document)

    def gateway(self) -> Authorizer:
        source = KeySource(self.url, transport=httpx.MockTransport(self))
        return Authorizer(source, self.url, [KEPT["client_id"]], SCOPES, lambda: self.now)


def through_the_gateway(issuer: Issuer, token: str) -> tuple[str, dict[str, Any]]:
    try:
        return "valid", asyncio.run(issuer.gateway().authorize(f"Bearer {token}"))
    except Unauthorized:
        return "unauthorized", {}
    except Forbidden:
        return "forbidden", {}


def may(claims: dict[str, Any], scope: Scope) -> bool:
    """Whether the router lets these claims do that."""
    try:
        admit({"requestContext": {"authorizer": claims}}, KEPT["client_id"], scope)
    except Refusal:
        return False
    return True


def check(vector: dict[str, Any], issuer: Issuer) -> None:
    found, authorizer = through_the_gateway(issuer, vector["token"])
    assert found == vector["gateway"]
    if found == "valid":
        assert may(authorizer, Scope.INFER) is vector["infer"]
        assert may(authorizer, Scope.OPERATE) is vector["operate"]


@pytest.mark.parametrize("vector", KEPT["vectors"], ids=lambda vector: vector["name"])
def test_each_token_is_what_it_is(vector: dict[str, Any]) -> None:
    check(vector, Issuer(KEPT["keys"]))


def test_the_vectors_are_as_they_are_made() -> None:
    make = token_vectors.Maker()
    issuer = Issuer([{**make.jwk(make.key), "kid": token_vectors.KID, "alg": "RS256"}])
    fresh = list(token_vectors.vectors(make))
    assert [vector["name"] for vector in fresh] == [vector["name"] for vector in KEPT["vectors"]]
    for vector in fresh:
        check(vector, issuer)


@pytest.mark.parametrize("off", [-CLOCK_IS_OFF_SECONDS, 0, CLOCK_IS_OFF_SECONDS])
def test_a_clock_that_is_off_lets_nothing_in_that_has_expired(off: int) -> None:
    make = token_vectors.Maker()
    jwk = {**make.jwk(make.key), "kid": token_vectors.KID, "alg": "RS256"}
    true_now = KEPT["now"]
    gateway = Issuer([jwk], now=true_now + off)
    fresh = make.token(claims={**token_vectors.CLAIMS, "iat": true_now, "exp": true_now + 3600})
    # A slow clock takes a fresh token for one of the future, until it has come to that.
    assert through_the_gateway(gateway, fresh)[0] == ("unauthorized" if off < 0 else "valid")
    old = {**token_vectors.CLAIMS, "iat": true_now - 3600, "exp": true_now - 1}
    # As long as the clock is slow, what has expired lives: by as much as it is off, and no more.
    expired = through_the_gateway(gateway, make.token(claims=old))[0]
    assert expired == ("valid" if off < 0 else "unauthorized")
    older = {**old, "exp": true_now - CLOCK_IS_OFF_SECONDS}
    assert through_the_gateway(gateway, make.token(claims=older))[0] == "unauthorized"


@pytest.mark.parametrize(
    "claims",
    [
        {"scope": ["aistratus/infer", {}]},
        {"scope": "[x aistratus/operate y aistratus/infer]"},
        {"scope": "openid\u00a0aistratus/infer\u00a0aistratus/operate"},
        {"scope": {"aistratus/infer": 1}},
        {"scope": None},
        {"sub": ["ann"]},
        {"sub": True},
        {"client_id": [KEPT["client_id"]]},
        {"token_use": ["access"]},
        {"token_use": "[access]"},
    ],
)
def test_the_router_takes_no_claim_of_another_type(claims: dict[str, Any]) -> None:
    good = {
        "sub": "ann",
        "token_use": "access",
        "client_id": KEPT["client_id"],
        "scope": "aistratus/infer aistratus/operate",
    }
    assert may({"jwt": {"claims": good}}, Scope.INFER)
    for scope in Scope:
        assert not may({"jwt": {"claims": {**good, **claims}}}, scope)


def wycheproof_groups() -> list[dict[str, Any]]:
    """Those of JWS that lie in the cache; none on a machine that never fetched them."""
    return [
        group
        for path in sorted(CACHE.glob("json_web_signature*_test.json"))
        for group in json.loads(path.read_text("utf-8"))["testGroups"]
    ]


async def is_verified(issuer: Issuer, token: str) -> bool:
    try:
        await issuer.gateway().verified(token)
    except (Unauthorized, NotAToken):
        return False
    return True


def test_wycheproof_s_signatures_are_verified_as_it_says() -> None:
    ours = Issuer(KEPT["keys"])
    groups = [
        {
            "public": KEPT["keys"][0],
            "tests": [
                {
                    "jws": vector["token"],
                    "result": "valid" if vector["name"].startswith("good") else "invalid",
                    "tcId": vector["name"],
                }
                for vector in KEPT["vectors"]
                # Of the others the signature is good, and something else is wrong.
                if vector["name"].startswith(("good", "alg", "signature", "HS256", "ES256", "PS"))
            ],
        },
        *wycheproof_groups(),
    ]
    for group in groups:
        key = group.get("public", {})
        issuer = Issuer([key], url=ours.url)
        for test in group["tests"]:
            is_ours = key.get("alg") == "RS256" and isinstance(test["jws"], str)
            # A token without claims is none, whoever has signed nothing.
            says_something = ".." not in str(test["jws"])
            expected = test["result"] == "valid" and is_ours and says_something
            found = asyncio.run(is_verified(issuer, str(test["jws"])))
            assert found is expected, (test["tcId"], test.get("comment"))
