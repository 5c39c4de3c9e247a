"""The managed login's stand-in does what Cognito's does, and refuses what Cognito refuses."""

import base64
import hashlib
import json
import logging
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import pytest
from flask import Flask
from werkzeug.test import Client, TestResponse

from aistratus_local.login.app import LoginSettings, create_app
from aistratus_local.login.grants import CODE_SECONDS, Store
from aistratus_local.login.pool import Person, UserPool
from aistratus_local.login.tokens import Grant
from aistratus_local.provision import Addresses, Provisioned, User, provision
from support.catalogue import CATALOGUE
from support.emulator_process import KEY, client

LOGIN_URL = "http://127.0.0.1:8552"
CALLBACK = "http://localhost:8550/callback"
USER = User("someone", "a long password", "someone@example.org")


@dataclass
class Login:
    """The login, and one browser at it."""

    app: Flask
    made: Provisioned
    browser: Client
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))

    def query(self, **changes: str | None) -> dict[str, str]:
        digest = hashlib.sha256(self.verifier.encode()).digest()
        wanted: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.made.client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid aistratus/infer",
            "state": "the state",
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def get(self, path: str, **query: str) -> TestResponse:
        return self.browser.get(f"{path}?{urlencode(query)}", base_url=LOGIN_URL)

    def post(self, path: str, form: dict[str, str], **query: str) -> TestResponse:
        return self.browser.post(f"{path}?{urlencode(query)}", data=form, base_url=LOGIN_URL)

    def sign_in(self, password: str = USER.password, **changes: str | None) -> TestResponse:
        query = self.query(**changes)
        page = self.get("/oauth2/authorize", **query).text
        found = re.search(r'name="csrf" value="([^"]+)"', page)
        assert found, page
        form = {"csrf": found[1], "username": USER.name, "password": password}
        return self.post("/oauth2/authorize", form, **query)

    def code(self, **changes: str | None) -> str:
        return returned(self.sign_in(USER.password, **changes))["code"]

    def exchange(self, code: str, **changes: str) -> TestResponse:
        form = {
            "grant_type": "authorization_code",
            "client_id": self.made.client_id,
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": self.verifier,
            **changes,
        }
        return self.post("/oauth2/token", form)

    def refresh(self, token: str, **changes: str) -> TestResponse:
        form = {"grant_type": "refresh_token", "client_id": self.made.client_id}
        return self.post("/oauth2/token", {**form, "refresh_token": token, **changes})

    def claims(self, token: str) -> dict[str, Any]:
        keys = self.get(f"/{self.made.pool_id}/.well-known/jwks.json").json
        key = jwt.PyJWKSet.from_dict(keys or {}).keys[0]
        options: Any = {"verify_aud": False}
        return dict(jwt.decode(token, key, ["RS256"], options, issuer=self.made.issuer))


def returned(answer: TestResponse) -> dict[str, str]:
    """What the browser is sent back to the app with."""
    assert answer.status_code == 302, answer.text
    target = urlsplit(answer.headers["location"])
    assert target._replace(query="").geturl() == CALLBACK
    return dict(parse_qsl(target.query))


@pytest.fixture(scope="module")
def made(emulator_url: str) -> Provisioned:
    addresses = Addresses(emulator_url, "http://127.0.0.1:8551", LOGIN_URL, "http://127.0.0.1:8550")
    return provision(addresses, KEY, CATALOGUE, [USER])


@pytest.fixture(scope="module")
def app(emulator_url: str, made: Provisioned) -> Iterator[Flask]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
        pool = UserPool(client("cognito-idp", emulator_url), made.pool_id)
        yield create_app(LoginSettings(LOGIN_URL, made.pool_id, "someone", "shown"), pool)


@pytest.fixture
def login(app: Flask, made: Provisioned) -> Login:
    return Login(app, made, Client(app, TestResponse))


def test_a_sign_in_yields_tokens_with_cognitos_claims(login: Login, made: Provisioned) -> None:
    back = returned(login.sign_in())
    assert back["state"] == "the state"
    answer = login.exchange(back["code"])
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json or {}
    assert tokens["token_type"] == "Bearer"
    assert tokens["expires_in"] == 3600
    access = login.claims(tokens["access_token"])
    assert set(access) == {
        "sub", "iss", "client_id", "token_use", "scope", "auth_time", "iat", "exp", "jti",
        "username", "version", "event_id", "origin_jti",
    }  # fmt: skip
    assert access["iss"] == f"{LOGIN_URL}/{made.pool_id}"
    assert access["client_id"] == made.client_id
    assert access["token_use"] == "access"
    assert access["scope"] == "openid aistratus/infer"
    assert access["version"] == 2
    assert access["username"] == USER.name
    assert access["exp"] - access["iat"] == 3600
    identity = login.claims(tokens["id_token"])
    assert identity["aud"] == made.client_id
    assert identity["token_use"] == "id"
    assert identity["email"] == USER.email
    assert identity["cognito:username"] == USER.name
    assert identity["sub"] == access["sub"]
    assert "client_id" not in identity


def test_nothing_asked_grants_every_scope_of_the_app(login: Login) -> None:
    tokens = login.exchange(login.code(scope=None)).json or {}
    scopes = login.claims(tokens["access_token"])["scope"].split()
    assert set(scopes) == {"openid", "email", "aistratus/infer", "aistratus/operate"}


def test_no_id_token_without_openid(login: Login) -> None:
    tokens = login.exchange(login.code(scope="aistratus/infer")).json or {}
    assert "id_token" not in tokens


def test_a_code_is_good_once(login: Login) -> None:
    code = login.code()
    assert login.exchange(code).status_code == 200
    assert login.exchange(code).json == {
        "error": "invalid_grant",
        "error_description": "Invalid 'code' in request.",
    }


def test_a_code_is_bound_to_its_verifier_and_address(login: Login) -> None:
    for changes in (
        {"code_verifier": secrets.token_urlsafe(48)},
        {"code_verifier": ""},
        {"redirect_uri": "http://localhost:8571/callback"},
    ):
        code = login.code(prompt="login")
        answer = login.exchange(code, **changes)
        assert answer.status_code == 400
        assert "access_token" not in answer.text
        # A failed try uses the code up.
        assert login.exchange(code).status_code == 400


def test_a_code_is_bound_to_its_app(login: Login) -> None:
    answer = login.exchange(login.code(), client_id="another")
    assert answer.status_code in (400, 401)
    assert (answer.json or {})["error"] == "invalid_client"


def test_a_code_ends_after_five_minutes() -> None:
    now = [1000.0]
    store = Store(lambda: now[0])
    grant = Grant(Person("sub", "name", "mail"), "client", "openid", 1000)
    store.put_code("one", "client", CALLBACK, grant, "challenge")
    store.put_code("two", "client", CALLBACK, grant, "challenge")
    now[0] += CODE_SECONDS - 1
    assert store.take_code("one", "client") is not None
    now[0] += 1
    assert store.take_code("two", "client") is None


def test_pkce_is_a_must(login: Login) -> None:
    for changes in (
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": None},
        {"code_challenge": "short"},
    ):
        back = returned(login.get("/oauth2/authorize", **login.query(**changes)))
        assert back["error"] == "invalid_request"
        assert back["state"] == "the state"


def test_only_registered_addresses_and_apps_get_an_answer(login: Login) -> None:
    for changes in (
        {"redirect_uri": "http://evil.example/callback"},
        {"redirect_uri": CALLBACK + "/more"},
        {"redirect_uri": CALLBACK + "?x=1"},
        {"redirect_uri": None},
        {"client_id": "another"},
        {"client_id": None},
    ):
        answer = login.get("/oauth2/authorize", **login.query(**changes))
        assert answer.status_code in (200, 400), changes
        assert "location" not in answer.headers
        assert "not registered" in answer.text


def test_unknown_scopes_and_flows_are_refused(login: Login) -> None:
    query = login.query(scope="openid aistratus/everything")
    assert returned(login.get("/oauth2/authorize", **query))["error"] == "invalid_scope"
    answer = login.get("/oauth2/authorize", **login.query(response_type="token"))
    assert "access_token" not in answer.headers.get("location", "")
    assert answer.status_code in (302, 400)
    answer = login.post("/oauth2/token", {"grant_type": "password", "username": "x"})
    assert (answer.json or {})["error"] == "unsupported_grant_type"


def test_a_wrong_password_stays_at_the_page(login: Login) -> None:
    answer = login.sign_in(password="wrong")
    assert answer.status_code == 401
    assert "not right" in answer.text
    assert "wrong" not in re.sub(r'class="wrong"|\.wrong|--wrong(-ground)?', "", answer.text)


def test_a_form_of_another_site_is_not_taken(login: Login) -> None:
    query = login.query()
    login.get("/oauth2/authorize", **query)
    for csrf in ("", "made up"):
        form = {"csrf": csrf, "username": USER.name, "password": USER.password}
        answer = login.post("/oauth2/authorize", form, **query)
        assert answer.status_code == 403
        assert "location" not in answer.headers


def test_the_second_sign_in_needs_no_click(login: Login) -> None:
    login.sign_in()
    again = login.get("/oauth2/authorize", **login.query())
    assert login.exchange(returned(again)["code"]).status_code == 200
    # Unless the app wants the person to be asked.
    assert login.get("/oauth2/authorize", **login.query(prompt="login")).status_code == 200


def test_prompt_none_shows_no_page(login: Login) -> None:
    back = returned(login.get("/oauth2/authorize", **login.query(prompt="none")))
    assert back["error"] == "login_required"


def test_signing_out_forgets_the_browser(login: Login, made: Provisioned) -> None:
    login.sign_in()
    query = {"client_id": made.client_id, "logout_uri": "http://localhost:8550/"}
    answer = login.get("/logout", **query)
    assert answer.headers["location"] == "http://localhost:8550/"
    assert login.get("/oauth2/authorize", **login.query()).status_code == 200
    answer = login.get("/logout", **{**query, "logout_uri": "http://evil.example/"})
    assert answer.status_code == 400


def test_a_refresh_token_gives_new_tokens_and_stays(login: Login) -> None:
    first = login.exchange(login.code()).json or {}
    for _ in range(2):
        again = login.refresh(first["refresh_token"]).json or {}
        assert "refresh_token" not in again
        old, new = login.claims(first["access_token"]), login.claims(again["access_token"])
        assert new["jti"] != old["jti"]
        assert new["origin_jti"] == old["origin_jti"]
        assert (new["sub"], new["scope"], new["auth_time"]) == (
            old["sub"],
            old["scope"],
            old["auth_time"],
        )


def test_a_refresh_cannot_widen_the_scope(login: Login) -> None:
    first = login.exchange(login.code()).json or {}
    answer = login.refresh(first["refresh_token"], scope="aistratus/operate")
    assert (answer.json or {})["error"] == "invalid_scope"


def test_a_revoked_refresh_token_is_of_no_use(login: Login, made: Provisioned) -> None:
    token = (login.exchange(login.code()).json or {})["refresh_token"]
    form = {"client_id": made.client_id, "token": token}
    answer = login.post("/oauth2/revoke", form)
    assert answer.status_code == 200
    assert answer.data == b""
    assert (login.refresh(token).json or {})["error"] == "invalid_grant"
    # RFC 7009: what is not known is as good as revoked.
    assert login.post("/oauth2/revoke", {**form, "token": "unknown"}).status_code == 200


def test_discovery_names_the_keys(login: Login, made: Provisioned) -> None:
    document = login.get(f"/{made.pool_id}/.well-known/openid-configuration").json or {}
    assert document["issuer"] == made.issuer
    assert document["jwks_uri"] == f"{made.issuer}/.well-known/jwks.json"
    keys = (login.get(f"/{made.pool_id}/.well-known/jwks.json").json or {})["keys"]
    assert [sorted(key) for key in keys] == [["alg", "e", "kid", "kty", "n", "use"]]


def test_the_page_is_guarded(login: Login) -> None:
    answer = login.get("/oauth2/authorize", **login.query())
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' http://localhost:8550" in policy
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "<script" not in answer.text
    assert "http" not in re.sub(r'xmlns="[^"]+"', "", answer.text)
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert cookie.startswith("aistratus-login-8552=")


def test_what_is_typed_is_shown_as_text(login: Login) -> None:
    query = login.query()
    page = login.get("/oauth2/authorize", **query).text
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    form = {"csrf": found[1], "username": '"><b>x', "password": "x"}
    assert '"><b>x' not in login.post("/oauth2/authorize", form, **query).text


def test_another_name_of_this_machine_is_not_answered(login: Login) -> None:
    answer = login.browser.get("/health", base_url="http://evil.example:8552")
    assert answer.status_code == 421
    assert "by its own address" in answer.text
    assert login.get("/health").json == {"status": "ok"}
    assert login.get("/nothing").status_code == 404


def test_nothing_secret_is_logged(
    login: Login, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.INFO)
    code = login.code()
    tokens = login.exchange(code).json or {}
    login.refresh(tokens["refresh_token"])
    written = caplog.text + "".join(capfd.readouterr())
    for secret in (code, *(str(value) for value in tokens.values()), USER.password):
        if secret not in ("Bearer", "3600"):
            assert secret not in written


def test_times_are_whole_seconds(login: Login) -> None:
    token = (login.exchange(login.code()).json or {})["access_token"]
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert all(isinstance(claims[name], int) for name in ("iat", "exp", "auth_time"))
    assert abs(claims["iat"] - time.time()) < 30
