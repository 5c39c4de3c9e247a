"""The instance metadata service, limited to what tells an instance that it will end.

`python -m aistratus_local.imds --port 8554` serves it on loopback until SIGTERM. It is as strict
about tokens as EC2 with IMDSv2 required: no metadata without a token, and each token expires after
the lifetime that was asked for. `/local/ending`, which EC2 does not have, stands for AWS's
decisions: PUT `spot`, `rebalance` or `termination`; DELETE replaces the instance by the next one.
"""

import argparse
import json
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from aistratus_local.endings import ENDING_PATH, Ending
from aistratus_local.visitors import Visitors, at_port

_TOKEN_PATH: Final = "/latest/api/token"  # noqa: S105
_METADATA_PATH: Final = "/latest/meta-data/"
_TTL_HEADER: Final = "X-aws-ec2-metadata-token-ttl-seconds"
_TOKEN_HEADER: Final = "X-aws-ec2-metadata-token"  # noqa: S105
_MAX_TTL_SECONDS: Final = 21_600
_MAX_BODY_BYTES: Final = 1024
SPOT_NOTICE: Final = timedelta(minutes=2)


@dataclass
class Instance:
    """The current instance's metadata and tokens."""

    clock: Callable[[], float] = time.monotonic
    _items: dict[str, str] = field(default_factory=dict)
    _tokens: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.replace()

    def replace(self) -> None:
        """Put a new instance in its place, with no ending announced."""
        self._items = {
            "instance-id": f"i-{secrets.token_hex(8)}1",
            "autoscaling/target-lifecycle-state": "InService",
        }
        self._tokens = {}

    def end(self, ending: Ending) -> None:
        """Announce its end in the form that AWS uses."""
        now = datetime.now(UTC)
        match ending:
            case Ending.SPOT:
                notice = {"action": "terminate", "time": _time(now + SPOT_NOTICE)}
                self._items["spot/instance-action"] = json.dumps(notice)
            case Ending.REBALANCE:
                notice = {"noticeTime": _time(now)}
                self._items["events/recommendations/rebalance"] = json.dumps(notice)
            case Ending.TERMINATION:
                self._items["autoscaling/target-lifecycle-state"] = "Terminated"

    def new_token(self, ttl_seconds: int) -> str:
        """A token that expires after `ttl_seconds`."""
        token = secrets.token_urlsafe(40)
        self._tokens[token] = self.clock() + ttl_seconds
        return token

    def knows(self, token: str) -> bool:
        """Whether it is a token of this instance and has not expired."""
        return self.clock() < self._tokens.get(token, -float("inf"))

    def item(self, path: str) -> str | None:
        """The item at that path below `meta-data`."""
        return self._items.get(path)


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


class ImdsServer(ThreadingHTTPServer):
    """The service on loopback; port 0 takes a free one."""

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.instance = Instance()
        self.visitors = Visitors("metadata service", at_port(self.server_port))

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: ImdsServer

    def parse_request(self) -> bool:
        """Read the head; False when the request has already been answered."""
        if not super().parse_request():
            return False
        headers = {name.lower(): value for name, value in self.headers.items()}
        turned_away = self.server.visitors.turn_away(self.command, headers)
        if turned_away is not None:
            self._send(turned_away.status, turned_away.sentence)
        return turned_away is None

    def do_GET(self) -> None:
        instance = self.server.instance
        if not instance.knows(self.headers.get(_TOKEN_HEADER, "")):
            self._send(HTTPStatus.UNAUTHORIZED)
        elif (item := instance.item(self.path.removeprefix(_METADATA_PATH))) is None:
            self._send(HTTPStatus.NOT_FOUND)
        else:
            self._send(HTTPStatus.OK, item)

    def do_PUT(self) -> None:
        if self.path == ENDING_PATH:
            self._end()
        elif self.path != _TOKEN_PATH:
            self._send(HTTPStatus.NOT_FOUND)
        elif "X-Forwarded-For" in self.headers:
            self._send(HTTPStatus.FORBIDDEN)  # it came through a proxy
        else:
            self._give_token()

    def do_DELETE(self) -> None:
        if self.path == ENDING_PATH:
            self.server.instance.replace()
            self._send(HTTPStatus.NO_CONTENT)
        else:
            self._send(HTTPStatus.NOT_FOUND)

    def _give_token(self) -> None:
        wish = self.headers.get(_TTL_HEADER, "")
        seconds = int(wish) if wish.isascii() and wish.isdigit() else 0
        if not 1 <= seconds <= _MAX_TTL_SECONDS:
            self._send(HTTPStatus.BAD_REQUEST)
            return
        self._send(HTTPStatus.OK, self.server.instance.new_token(seconds), {_TTL_HEADER: wish})

    def _end(self) -> None:
        stated = self.headers.get("Content-Length", "")
        length = min(int(stated) if stated.isascii() and stated.isdigit() else 0, _MAX_BODY_BYTES)
        word = self.rfile.read(length).decode(errors="replace").strip()
        if word not in list(Ending):
            self._send(HTTPStatus.BAD_REQUEST, f"Say one of: {', '.join(Ending)}.")
            return
        self.server.instance.end(Ending(word))
        self._send(HTTPStatus.NO_CONTENT)

    def _send(
        self, status: HTTPStatus, text: str = "", headers: dict[str, str] | None = None
    ) -> None:
        body = text.encode()
        self.send_response(status)
        for name, value in {"Content-Type": "text/plain", **(headers or {})}.items():
            self.send_header(name, value)
        if status != HTTPStatus.NO_CONTENT:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing: the worker sends three requests every five seconds."""


def main() -> int:
    """Serve until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(prog="aistratus_local.imds")
    parser.add_argument("--port", type=int, default=8554, help="0 takes a free port")
    with ImdsServer(parser.parse_args().port) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            # shutdown() waits for the loop, which runs in this thread.
            signal.signal(number, lambda *_: threading.Thread(target=server.shutdown).start())
        sys.stdout.write(f"ready {server.url}\n")
        sys.stdout.flush()
        server.serve_forever(0.1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
