"""A real gateway before the real router: who has no good token gets 401 or 403, nothing else."""

import base64
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from aistratus_local.provision import REGISTRY_PREFIX, aws_environment
from support.system import Demo, Person, access_key

KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
SCOPES = "openid aistratus/infer aistratus/operate"


@dataclass
class OwnIssuer:
    """A gateway that trusts an issuer of this test, and the log that it writes."""

    issuer: str
    api_url: str
    client_id: str
    log: Path

    def token(self, **changes: object) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": "someone-secret-sub",
            "client_id": self.client_id,
            "token_use": "access",
            "scope": SCOPES,
            "iat": now,
            "exp": now + 600,
            **changes,
        }
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, KEY, "RS256", headers={"kid": "one"})

    def get(self, token: str | None, path: str = "/models") -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"} if token else {}
        return httpx.get(f"{self.api_url}{path}", headers=headers)


@pytest.fixture(scope="module")
def own(demo: Demo, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnIssuer]:
    class Keys(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            public = json.loads(RSAAlgorithm.to_jwk(KEY.public_key()))
            document: dict[str, Any] = {"keys": [{**public, "kid": "one", "alg": "RS256"}]}
            if self.path.endswith("openid-configuration"):
                document = {"issuer": issuer, "jwks_uri": f"{issuer}/.well-known/jwks.json"}
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = tmp_path_factory.mktemp("own") / "gateway.log"
    state = demo.state
    with ThreadingHTTPServer(("127.0.0.1", 0), Keys) as keys, log.open("w") as output:
        issuer = f"http://127.0.0.1:{keys.server_address[1]}/pool"
        thread = threading.Thread(target=keys.serve_forever, args=(0.02,))
        thread.start()
        environment = {**os.environ, **aws_environment(state["emulator_url"], access_key(state))}
        environment["AISTRATUS_REGISTRY"] = REGISTRY_PREFIX
        command = [sys.executable, "-m", "aistratus_local.gateway", "--port", str(port)]
        with subprocess.Popen(
            [*command, "--issuer", issuer, "--client-id", state["client_id"]],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        ) as gateway:
            assert gateway.stdout is not None
            url = gateway.stdout.readline().removeprefix("ready ").strip()
            yield OwnIssuer(issuer, url, state["client_id"], log)
            gateway.terminate()
        keys.shutdown()
        thread.join()


def test_a_good_token_is_let_in(own: OwnIssuer) -> None:
    assert own.get(own.token()).status_code == 200
    assert own.get(own.token(scope="aistratus/infer")).status_code == 200


def refused_by_the_gateway(own: OwnIssuer) -> dict[str, str | None]:
    now = int(time.time())
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    return {
        "none": None,
        "nonsense": "nonsense",
        "expired": own.token(exp=now - 1),
        "not yet valid": own.token(nbf=now + 600),
        "wrong issuer": own.token(iss="http://127.0.0.1:1/other"),
        "wrong client": own.token(client_id="another-client"),
        "no client": own.token(client_id=None),
        "unsigned": f"{unsigned}.{own.token().split('.')[1]}.",
        "cut": own.token()[:-9],
    }


def test_no_good_token_is_a_401_and_nothing_of_it_is_logged(own: OwnIssuer) -> None:
    for kind, token in refused_by_the_gateway(own).items():
        answer = own.get(token)
        assert answer.status_code == 401, kind
        assert answer.content == b'{"message":"Unauthorized"}'
        assert answer.headers["www-authenticate"].startswith("Bearer")
        if token and len(token) > 40:
            assert token.split(".")[1] not in answer.text + str(answer.headers)


def test_a_token_without_our_scopes_is_a_403(own: OwnIssuer) -> None:
    for scope in ("openid", None, "aistratus/other"):
        answer = own.get(own.token(scope=scope))
        assert (answer.status_code, answer.content) == (403, b'{"message":"Forbidden"}')


def test_the_scope_of_another_route_is_a_403(own: OwnIssuer) -> None:
    body = {"messages": [{"role": "user", "content": "x"}]}
    headers = {"authorization": f"Bearer {own.token(scope='aistratus/operate')}"}
    answer = httpx.post(f"{own.api_url}/infer", json=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_an_id_token_is_no_access_token(own: OwnIssuer, demo: Demo, person: Person) -> None:
    # One that would even have the scopes passes API Gateway; the router looks at token_use.
    forged = own.token(token_use="id", client_id=None, aud=own.client_id)
    answer = own.get(forged)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    # And the login's own.
    headers = {"authorization": f"Bearer {person.tokens['id_token']}"}
    refused = httpx.get(f"{demo.state['api_url']}/models", headers=headers)
    assert refused.status_code == 403


def test_another_logins_token_is_a_401(own: OwnIssuer, demo: Demo, person: Person) -> None:
    assert own.get(person.tokens["access_token"]).status_code == 401
    headers = {"authorization": f"Bearer {own.token()}"}
    assert httpx.get(f"{demo.state['api_url']}/models", headers=headers).status_code == 401


def test_no_part_of_a_token_is_in_any_log(own: OwnIssuer, demo: Demo, person: Person) -> None:
    for token in refused_by_the_gateway(own).values():
        own.get(token)
    written = own.log.read_text()
    for log in (demo.state_dir / "logs").iterdir():
        written += log.read_text()
    secrets = ["someone-secret-sub", demo.state["password"], *own.token().split(".")[:1]]
    secrets += [demo.state["access_key_id"], demo.state["secret_access_key"]]
    for token in (person.tokens[name] for name in ("access_token", "id_token", "refresh_token")):
        secrets += [part for part in token.split(".") if len(part) > 20]
    for secret in secrets:
        assert secret not in written
