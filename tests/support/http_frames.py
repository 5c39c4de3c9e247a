"""HTTP/1.1 messages on asyncio streams, as AWS clients and the emulator send them."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class HttpMessage:
    """A request or an answer, as it came over the wire."""

    head: bytes
    body: bytes

    @property
    def raw(self) -> bytes:
        return self.head + self.body

    @property
    def first_line(self) -> str:
        return self.head.partition(b"\r\n")[0].decode("latin-1")

    @property
    def status(self) -> int:
        """An answer's status."""
        return int(self.first_line.split()[1])

    def header(self, name: str) -> str:
        """The first header of that name, or nothing."""
        wanted = name.lower()
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.decode("latin-1").strip().lower() == wanted:
                return value.decode("latin-1").strip()
        return ""

    @property
    def json(self) -> dict[str, Any]:
        found = json.loads(self.body) if self.body else {}
        assert isinstance(found, dict)
        return found


async def read_message(reader: asyncio.StreamReader) -> HttpMessage | None:
    """The next message; None at the connection's end, even in the middle of a message."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        message = HttpMessage(head, b"")
        length = int(message.header("content-length") or 0)
        return HttpMessage(head, await reader.readexactly(length))
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


def answer_of(status: str, document: dict[str, Any], **headers: str) -> bytes:
    """An answer, ready to be sent. `status` is `400 Bad Request`; `_` in a name is `-`."""
    body = json.dumps(document).encode()
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
