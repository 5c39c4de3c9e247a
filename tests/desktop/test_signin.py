"""Signing in: PKCE, state, and what the login may answer."""

import base64
import hashlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from aistratus_desktop.gateway import SignInNeeded, Unreachable
from aistratus_desktop.signin import (
    ManagedLogin,
    PendingSignIn,
    SignInFailed,
    TokenSet,
    challenge_of,
)
from support.desktop_stand import Stand
from support.scripted_http import HANG_UP, Answer, say, scripted_server

pytestmark = pytest.mark.anyio

REDIRECT = "http://localhost:8550/callback"
NOW = 1_000_000.0


@pytest.fixture
async def login(stand: Stand) -> AsyncIterator[ManagedLogin]:
    transport = httpx.ASGITransport(stand.app())
    login = ManagedLogin("http://login", "app", transport=transport, clock=lambda: NOW)
    yield login
    await login.close()


async def visit(stand: Stand, pending: PendingSignIn) -> dict[str, str]:
    """Do what a person in a browser does; returns the query that comes back."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(stand.app())) as browser:
        response = await browser.post(pending.url)
    location = response.headers["location"]
    assert location.startswith(pending.redirect_uri)
    return dict(parse_qsl(urlsplit(location).query))


def test_the_challenge_is_that_of_rfc_7636_appendix_b() -> None:
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert challenge_of(verifier) == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


async def test_the_browser_is_sent_with_everything_that_the_login_wants(
    login: ManagedLogin,
) -> None:
    pending = login.begin(REDIRECT)
    url = urlsplit(pending.url)
    assert f"{url.scheme}://{url.netloc}{url.path}" == "http://login/oauth2/authorize"
    digest = hashlib.sha256(pending.verifier.encode()).digest()
    assert dict(parse_qsl(url.query)) == {
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": REDIRECT,
        "scope": "openid aistratus/infer aistratus/operate",
        "state": pending.state,
        "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    assert 43 <= len(pending.verifier) <= 128
    assert pending.verifier not in pending.url


async def test_each_sign_in_has_secrets_of_its_own(login: ManagedLogin) -> None:
    first, second = login.begin(REDIRECT), login.begin(REDIRECT)
    assert first.state != second.state
    assert first.verifier != second.verifier


async def test_the_code_that_comes_back_becomes_tokens(stand: Stand, login: ManagedLogin) -> None:
    pending = login.begin(REDIRECT)
    tokens = await login.finish(pending, await visit(stand, pending))
    assert tokens.access_token.startswith("access-")
    assert tokens.refresh_token == "refresh-1"
    assert tokens.expires_at == NOW + 3600
    assert stand.login_forms[0]["client_id"] == "app"


@pytest.mark.parametrize("change", ["missing", "other", "not ascii"])
async def test_a_state_that_is_not_ours_is_refused_before_the_code_is_used(
    stand: Stand, login: ManagedLogin, change: str
) -> None:
    pending = login.begin(REDIRECT)
    returned = await visit(stand, pending)
    if change == "missing":
        del returned["state"]
    else:
        returned["state"] = "x" if change == "other" else "ü"
    with pytest.raises(SignInFailed, match="not begun here"):
        await login.finish(pending, returned)
    assert stand.login_forms == []


async def test_another_sign_ins_code_is_of_no_use(stand: Stand, login: ManagedLogin) -> None:
    mine, other = login.begin(REDIRECT), login.begin(REDIRECT)
    stolen = await visit(stand, other)
    with pytest.raises(SignInFailed, match="refused its own code"):
        await login.finish(mine, {"state": mine.state, "code": stolen["code"]})


async def test_a_person_who_says_no_is_asked_to_try_again(login: ManagedLogin) -> None:
    pending = login.begin(REDIRECT)
    with pytest.raises(SignInFailed, match="not completed"):
        await login.finish(pending, {"state": pending.state, "error": "access_denied"})


async def test_a_return_without_a_code_is_refused(login: ManagedLogin) -> None:
    pending = login.begin(REDIRECT)
    with pytest.raises(SignInFailed, match="no code"):
        await login.finish(pending, {"state": pending.state})


async def test_a_renewal_keeps_the_refresh_token(stand: Stand, login: ManagedLogin) -> None:
    fresh = await login.renew(TokenSet("access-old", "refresh-1", 0.0))
    assert fresh.refresh_token == "refresh-1"
    assert fresh.access_token.startswith("access-")
    assert stand.login_forms[0]["refresh_token"] == "refresh-1"


async def test_a_refresh_token_that_has_ended_means_to_sign_in(
    stand: Stand, login: ManagedLogin
) -> None:
    stand.refresh_is_good = False
    with pytest.raises(SignInNeeded):
        await login.renew(TokenSet("access-old", "refresh-1", 0.0))


async def test_signing_out_revokes_the_refresh_token(stand: Stand, login: ManagedLogin) -> None:
    await login.revoke(TokenSet("access-old", "refresh-1", 0.0))
    assert stand.login_forms == [{"client_id": "app", "token": "refresh-1"}]


@pytest.mark.parametrize(
    "answer",
    [
        HANG_UP,
        say({}, 500),
        say({}, 429),
        say({}, 302, Location="http://elsewhere"),
        Answer(b"<html>"),
        Answer(b" " * 100_000),
    ],
)
async def test_a_login_that_is_down_is_unreachable_and_costs_no_sign_in(answer: Answer) -> None:
    async with scripted_server(answer) as server:
        login = ManagedLogin(server.url, "app")
        with pytest.raises((Unreachable, SignInNeeded)) as caught:
            await login.renew(TokenSet("access-old", "refresh-1", 0.0))
        await login.close()
    assert isinstance(caught.value, Unreachable)


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"access_token": "", "expires_in": 1, "refresh_token": "r"},
        {"access_token": "a", "refresh_token": "r"},
        {"access_token": "a", "expires_in": True, "refresh_token": "r"},
        {"access_token": "a", "expires_in": 1, "refresh_token": None},
    ],
)
async def test_an_answer_without_tokens_is_told(document: object) -> None:
    async with scripted_server(say(document)) as server:
        login = ManagedLogin(server.url, "app")
        pending = login.begin(REDIRECT)
        with pytest.raises(SignInFailed):
            await login.finish(pending, {"state": pending.state, "code": "c"})
        await login.close()


def test_no_secret_shows_in_a_log() -> None:
    tokens = TokenSet("access-secret", "refresh-secret", 1.0)
    pending = PendingSignIn("http://login", REDIRECT, "state-secret", "verifier-secret")
    assert "secret" not in repr(tokens) + repr(pending)
