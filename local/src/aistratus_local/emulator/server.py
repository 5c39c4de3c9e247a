"""The HTTP server in front of moto: one thread per connection, keep-alive, no logs.

moto's own server closes each connection after one answer and matches each request's service
against about a hundred patterns; together that costs more than most requests do.
"""

import json
import os
import socketserver
import threading
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote, urlsplit

# moto reads this on import; no browser calls the emulator.
os.environ.setdefault("MOTO_DISABLE_GLOBAL_CORS", "true")

from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    create_backend_app,
)

from aistratus_local.emulator import gateways, queues, short_way, tables
from aistratus_local.emulator.admission import Admission
from aistratus_local.visitors import TurnedAway

MAX_HEAD_BYTES: Final = 64 * 1024
MAX_BODY_BYTES: Final = 16 * 1024 * 1024


class _Application(DomainDispatcherApplication):
    """moto's applications by service; each host name is matched to its service once."""

    @lru_cache(maxsize=256)  # noqa: B019  # one instance, as long as the process
    def get_backend_for_host(self, host: str | None) -> Any:
        return super().get_backend_for_host(host)


def _create(service: Any) -> Any:
    """Make moto's application for one service, on its first request.

    The imports here are slow and rarely needed. moto's own service, which shows and wipes all
    data, is closed: a test that wants a clean state starts another emulator.
    """
    if service in (None, "moto_api", "instance_metadata"):
        return _nothing_here
    if service.startswith("s3"):
        from aistratus_local.emulator import buckets  # noqa: PLC0415

        buckets.install()
    if service.startswith("apigateway"):
        gateways.install()
    if service in ("autoscaling", "ec2"):
        from aistratus_local.emulator import groups  # noqa: PLC0415

        groups.install()
    if service.startswith("cognitoidp"):
        from aistratus_local.emulator import pools  # noqa: PLC0415

        pools.install()
    return create_backend_app(service)


def _nothing_here(_: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    """Answers 404 in place of moto's data page and reset."""
    start("404 Not Found", [("Content-Type", "text/plain")])
    return [b"The emulator has no pages, and is not reset from outside.\n"]


class _Connection(socketserver.StreamRequestHandler):
    """HTTP/1.1, as much of it as AWS clients use."""

    disable_nagle_algorithm = True
    server: "EmulatorServer"

    def handle(self) -> None:
        try:
            while self._answer_one():
                pass
        except ConnectionError:
            return

    def _answer_one(self) -> bool:
        """Answer the next request; False when the connection ends."""
        environ = self._read_request()
        if environ is None:
            return False
        turned_away = self.server.admission.refusal(environ)
        if turned_away is not None:
            self._refuse(turned_away, environ)
            return False
        quick = short_way.answer(environ, environ["wsgi.input"].getvalue())
        if quick is not None:
            headers, body = quick
            self._send("200 OK", list(headers.items()), body)
        else:
            self._answer_from_moto(environ)
        return bool(environ["HTTP_CONNECTION"].lower() != "close")

    def _refuse(self, why: TurnedAway, environ: dict[str, Any]) -> None:
        """Say why, in the request's own protocol; nothing has been done."""
        code = "UnrecognizedClientException"
        if "HTTP_X_AMZ_TARGET" in environ:
            kind = "application/x-amz-json-1.0"
            body = json.dumps({"__type": code, "message": why.sentence})
        else:
            kind = "text/xml"
            body = (
                "<ErrorResponse><Error><Type>Sender</Type>"
                f"<Code>{code}</Code><Message>{why.sentence}</Message></Error></ErrorResponse>"
            )
        headers = [("Content-Type", kind), ("Connection", "close")]
        self._send(f"{why.status.value} {why.status.phrase}", headers, body.encode())

    def _answer_from_moto(self, environ: dict[str, Any]) -> None:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: object) -> Any:
            started.append((status, headers))

        chunks = self.server.application(environ, start_response)
        try:
            body = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        self._send(*started[-1], body)

    def _send(self, status: str, headers: list[tuple[str, str]], body: bytes) -> None:
        head = [f"HTTP/1.1 {status}\r\n", *(f"{name}: {value}\r\n" for name, value in headers)]
        if not any(name.lower() == "content-length" for name, _ in headers):
            head.append(f"Content-Length: {len(body)}\r\n")
        self.wfile.write("".join([*head, "\r\n"]).encode("latin-1") + body)

    def _read_request(self) -> dict[str, Any] | None:
        line = self.rfile.readline(MAX_HEAD_BYTES)
        if not line.strip():
            return None
        try:
            method, target, protocol = line.decode("latin-1").split()
        except ValueError:
            return None
        path, query = urlsplit(target).path, urlsplit(target).query
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(path, "latin-1"),
            "QUERY_STRING": query,
            "RAW_URI": target,
            "REQUEST_URI": target,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.server.server_address[1]),
            "SERVER_PROTOCOL": protocol,
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_CONNECTION": "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        while (line := self.rfile.readline(MAX_HEAD_BYTES)).strip():
            name, _, value = line.decode("latin-1").partition(":")
            key = name.strip().upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
            environ[key] = value.strip()
        stated = environ.setdefault("CONTENT_LENGTH", "0")
        length = int(stated) if stated.isascii() and stated.isdigit() else MAX_BODY_BYTES + 1
        if length > MAX_BODY_BYTES:
            return None
        if environ.get("HTTP_EXPECT", "").lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        environ["wsgi.input"] = BytesIO(self.rfile.read(length))
        environ["wsgi.errors"] = _Nowhere()
        return environ


class EmulatorServer(socketserver.ThreadingTCPServer):
    """AWS on one port, for callers with one of the keys; `port` 0 takes a free one."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, host: str, port: int, keys: Collection[str]) -> None:
        self.admission = Admission(host, keys)
        queues.install()
        tables.install()
        self.application = _Application(_create)
        super().__init__((host, port), _Connection)

    @property
    def url(self) -> str:
        """Its address for AWS clients: the value of AWS_ENDPOINT_URL."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"


@contextmanager
def serve(
    keys: Collection[str], host: str = "127.0.0.1", port: int = 0
) -> Iterator[EmulatorServer]:
    """An emulator in a thread of this process, for tests."""
    with EmulatorServer(host, port, keys) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Nowhere:
    """WSGI's error stream, discarded: moto writes nothing useful there."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        return
