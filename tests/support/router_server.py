"""The Lambda handler behind a socket, as behind the gateway: `-m support.router_server`.

It turns HTTP into HTTP API events, admits requests with one of its fixed tokens, and answers what
the gateway itself would answer. Like Lambda, it gives the handler one event at a time.
"""

import base64
import json
import threading
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import unquote, urlsplit

from aistratus_router.api.handler import handler
from aistratus_router.api.routes import ROUTES
from support.router_api import access_claims, gateway_event

OPEN = {(route.method, route.path) for route in ROUTES if route.scope is None}
TOKENS: dict[str, dict[str, Any]] = {
    "ann": access_claims("ann", scope="aistratus/infer aistratus/operate"),
    "bob": access_claims("bob", scope="aistratus/infer aistratus/operate"),
    "operator": access_claims("ann", scope="aistratus/operate"),
    "id-token": access_claims("ann", token_use="id"),
}
TEXT_TYPES = ("text/", "application/json", "application/xml", "application/javascript")
# A held poll would hold up all requests, so it is cut to what a test can wait for.
LEFT_MS = 2_300


@dataclass
class Context:
    aws_request_id: str = "server-1"
    left_ms: int = LEFT_MS

    def get_remaining_time_in_millis(self) -> int:
        return self.left_ms


class Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    one_at_a_time = threading.Lock()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self.answer
        raise AttributeError(name)

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.command == "OPTIONS":
            self.reply(HTTPStatus.NO_CONTENT, {}, "")
            return
        claims = self.claims()
        address = urlsplit(self.path)
        path = unquote(address.path)
        if claims is None and (self.command, path) not in OPEN:
            self.reply(
                HTTPStatus.UNAUTHORIZED,
                {"Content-Type": "application/json", "WWW-Authenticate": "Bearer"},
                '{"message":"Unauthorized"}',
            )
            return
        text, is_base64 = self.body_text(body)
        event = gateway_event(
            self.command,
            path,
            text,
            query=address.query,
            claims=claims,
            headers={name.lower(): value for name, value in self.headers.items()},
            is_base64=is_base64,
        )
        with self.one_at_a_time:
            answer = json.loads(json.dumps(handler(event, cast("Any", Context()))))
        self.reply(answer["statusCode"], answer["headers"], answer["body"] or "")

    def claims(self) -> dict[str, Any] | None:
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return TOKENS.get(token) if scheme.lower() == "bearer" else None

    def body_text(self, body: bytes) -> tuple[str | None, bool]:
        if not body:
            return None, False
        content_type = self.headers.get("content-type", "").lower()
        try:
            if content_type.startswith(TEXT_TYPES):
                return body.decode(), False
        except UnicodeDecodeError:
            pass
        return base64.b64encode(body).decode(), True

    def reply(self, status: int, headers: dict[str, str], text: str) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """The handler's own log is enough."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    # The default of 5 leaves a crowd of clients to the kernel's repeated SYNs.
    request_queue_size = 128


def main() -> None:
    server = Server(("127.0.0.1", 0), Connection)
    print(f"ready http://127.0.0.1:{server.server_port}", flush=True)  # noqa: T201
    server.serve_forever()


if __name__ == "__main__":
    main()
