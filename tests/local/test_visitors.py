"""No page in a person's browser gets anything out of the ports of their machine.

Seen once: with `Host: evil.example` the emulator answered scans, and its own data page with the
demo's password in it; a form on any page wiped all tables by its reset.
"""

import http.client
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
from botocore.exceptions import ClientError

from aistratus_local import provision
from aistratus_local.access_key import AccessKey, new_access_key
from aistratus_local.emulator import serve
from aistratus_local.gateway.api import Api, Cors
from aistratus_local.imds import ImdsServer
from aistratus_local.visitors import Visitors, at_port, by_name
from support.emulator_process import ACCEPTED, KEY, client
from support.imds_server import running_imds

APP: Final = "http://localhost:8550"
PORT: Final = 8551
HERE: Final = {"host": f"127.0.0.1:{PORT}"}

# What browsers send, by how a page goes about it.
FETCH: Final = {"origin": "http://evil.example", "sec-fetch-site": "cross-site"}
REBOUND: Final = {"host": f"evil.example:{PORT}", "sec-fetch-site": "same-origin"}
IMAGE: Final = {
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "no-cors",
    "sec-fetch-dest": "image",
}
FORM: Final = {
    "origin": "http://evil.example",
    "content-type": "text/plain",
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
}
NEIGHBOUR: Final = {"origin": "http://localhost:3000", "sec-fetch-site": "same-site"}
FRAME: Final = {"origin": "null", "sec-fetch-site": "cross-site"}
OLD_BROWSER: Final = {"origin": "http://evil.example"}
ATTACKS: Final[dict[str, dict[str, str]]] = {
    "fetch": FETCH,
    "a name of its own": REBOUND,
    "an image": IMAGE,
    "a form": FORM,
    "a page of this machine": NEIGHBOUR,
    "a sandboxed frame": FRAME,
    "an old browser": OLD_BROWSER,
}


# --- the rule -------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(
    "visitors",
    [
        Visitors("API", at_port(PORT), frozenset({APP})),
        Visitors("login", at_port(PORT), has_pages=True),
        Visitors("emulator", by_name({"127.0.0.1", "localhost"})),
    ],
    ids=["API", "login", "emulator"],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_another_sites_page_is_turned_away(visitors: Visitors, attack: str, method: str) -> None:
    turned_away = visitors.turn_away(method, {**HERE, **ATTACKS[attack]})
    if attack == "a form" and method == "GET" and visitors.has_pages:
        assert turned_away is None, "that is how a link looks"
        return
    assert turned_away is not None
    assert turned_away.status == (421 if attack == "a name of its own" else 403)
    assert turned_away.sentence.endswith(".")


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "127.0.0.1",
        f"127.0.0.1.evil.example:{PORT}",
        "127.0.0.1:1",
        "[::2]:8551",
    ],
)
def test_only_its_own_names_are_its_own(host: str) -> None:
    visitors = Visitors("API", at_port(PORT))
    turned_away = visitors.turn_away("GET", {"host": host} if host else {})
    assert turned_away is not None
    assert turned_away.status == 421
    for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert visitors.turn_away("GET", {"host": f"{name}:{PORT}"}) is None


def test_who_may_come_comes() -> None:
    api = Visitors("API", at_port(PORT), frozenset({APP}))
    login = Visitors("login", at_port(PORT), has_pages=True)
    emulator = Visitors("emulator", by_name({"127.0.0.1"}))
    for visitors in (api, login, emulator):
        assert visitors.turn_away("POST", HERE) is None, "a program"
    called = {**HERE, "origin": APP, "sec-fetch-site": "cross-site"}
    assert api.turn_away("OPTIONS", called) is None
    by_hand = {**HERE, "sec-fetch-site": "none", "sec-fetch-mode": "navigate"}
    assert api.turn_away("GET", by_hand) is None
    linked = {**by_hand, "sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}
    assert login.turn_away("GET", linked) is None
    framed = {**linked, "sec-fetch-dest": "iframe"}
    assert login.turn_away("GET", framed) is not None
    own_form = {**HERE, "origin": "null", "sec-fetch-site": "same-origin"}
    assert login.turn_away("POST", own_form) is None
    assert login.turn_away("POST", {**HERE, "origin": f"http://127.0.0.1:{PORT}"}) is None
    for site in ("same-origin", "none"):
        assert emulator.turn_away("GET", {**HERE, "sec-fetch-site": site}) is not None


# --- the emulator ---------------------------------------------------------------------------


@dataclass
class Emulator:
    """One with something in it that would be missed."""

    url: str

    def send(self, method: str, path: str, **more: Any) -> httpx.Response:
        return httpx.request(method, f"{self.url}{path}", trust_env=False, **more)

    def still_has_its_table(self) -> bool:
        return "kept" in client("dynamodb", self.url).list_tables()["TableNames"]


@pytest.fixture(scope="module")
def emulator() -> Iterator[Emulator]:
    with serve(ACCEPTED) as server:
        client("dynamodb", server.url).create_table(
            TableName="kept",
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield Emulator(server.url)


def signed(key: AccessKey = KEY, service: str = "dynamodb") -> dict[str, str]:
    """The head of a signature, as a client of that key sends it."""
    scope = f"{key.access_key_id}/20261128/eu-central-1/{service}/aws4_request"
    return {
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0",
        "x-amz-target": "DynamoDB_20120810.Scan",
    }


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_page_gets_no_scan_out_of_the_emulator(emulator: Emulator, attack: str) -> None:
    headers = {**signed(), **ATTACKS[attack]}
    answer = emulator.send("POST", "/", headers=headers, content=b'{"TableName": "kept"}')
    assert answer.status_code in (403, 421)
    assert "Items" not in answer.text
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/moto-api/"),
        ("GET", "/moto-api/data.json"),
        ("POST", "/moto-api/reset"),
        ("POST", "/%6doto-api/reset"),
        ("POST", "//moto-api/reset"),
        ("POST", "/moto-api/reset-auth"),
        ("POST", "/moto-api/state-manager/set-transition"),
        ("GET", "/latest/meta-data/iam/security-credentials/"),
        ("GET", "/favicon.ico"),
    ],
)
def test_moto_s_own_pages_are_closed(emulator: Emulator, method: str, path: str) -> None:
    for headers in ({}, FORM, signed(), signed(service="moto_api")):
        answer = emulator.send(method, path, headers=headers)
        assert answer.status_code >= 400
        assert "kept" not in answer.text
    assert emulator.still_has_its_table()


def test_who_has_not_its_key_gets_nothing(emulator: Emulator) -> None:
    stranger = new_access_key()
    for service, call in (
        ("dynamodb", "list_tables"),
        ("sqs", "list_queues"),
        ("iam", "list_users"),
    ):
        made = provision.client(service, emulator.url, stranger)
        with pytest.raises(ClientError, match="UnrecognizedClientException") as caught:
            getattr(made, call)()
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
        assert stranger.access_key_id not in str(caught.value)
    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": "Credential=/"}):
        answer = emulator.send("POST", "/?Action=ListUsers&Version=2010-05-08", headers=headers)
        assert answer.status_code == 403


def test_cognito_s_public_calls_need_no_key(emulator: Emulator) -> None:
    target = "AWSCognitoIdentityProviderService."
    for action, is_open in (
        ("InitiateAuth", True),
        ("SignUp", False),
        ("ListUserPools", False),
        ("AdminInitiateAuth", False),
    ):
        headers = {
            "x-amz-target": f"{target}{action}",
            "content-type": "application/x-amz-json-1.1",
        }
        body = {"ClientId": "x", "AuthFlow": "USER_PASSWORD_AUTH", "AuthParameters": {}}
        answer = emulator.send("POST", "/", headers=headers, json=body)
        assert (answer.status_code != 403) is is_open, action
        # Not even that is a browser's to call.
        assert (
            emulator.send("POST", "/", headers={**headers, **FETCH}, json=body).status_code == 403
        )


def test_a_request_that_is_none_ends_the_connection(emulator: Emulator) -> None:
    where = urlsplit(emulator.url)
    for sent in (b"nonsense\r\n\r\n", b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n"):
        with socket.create_connection((where.hostname or "", where.port or 0), timeout=5) as raw:
            raw.sendall(sent)
            assert raw.recv(100) == b""


# --- the metadata service -------------------------------------------------------------------


@pytest.fixture
def imds() -> Iterator[ImdsServer]:
    with running_imds() as server:
        yield server


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_page_ends_an_instance(imds: ImdsServer, attack: str) -> None:
    before = imds.instance.item("instance-id")
    for method, path in (
        ("PUT", "/local/ending"),
        ("DELETE", "/local/ending"),
        ("GET", "/latest/"),
    ):
        connection = http.client.HTTPConnection("127.0.0.1", imds.server_port, timeout=5)
        connection.request(method, path, b"spot", headers=ATTACKS[attack])
        answer = connection.getresponse()
        assert answer.status == (421 if attack == "a name of its own" else 403)
        assert answer.read().endswith(b".")
        connection.close()
    assert imds.instance.item("instance-id") == before
    assert imds.instance.item("spot/instance-action") is None


# --- the gateway ----------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.anyio
async def test_the_gateway_asks_nobody_before_it_looks(attack: str, method: str) -> None:
    visitors = Visitors("API", at_port(PORT), frozenset({APP}))
    # Neither a function nor an authorizer: if one were asked, this would fail.
    api = Api(None, None, Cors([APP]), visitors)  # type: ignore[arg-type]
    transport = httpx.ASGITransport(api.app())
    async with httpx.AsyncClient(transport=transport, base_url=f"http://127.0.0.1:{PORT}") as http_:
        answer = await http_.request(method, "/health", headers=ATTACKS[attack])
    assert answer.status_code in (403, 421)
    assert json.loads(answer.text)["message"].endswith(".")
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_keys_are_drawn_and_not_shown() -> None:
    key = new_access_key()
    assert len({new_access_key().access_key_id for _ in range(50)}) == 50
    assert key.access_key_id not in repr(key)
    assert key.secret_access_key not in repr(key)
