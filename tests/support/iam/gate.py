"""IAM in front of the emulator: each caller has a gate of its own, which asks its role.

The gate refuses what the role does not allow, as AWS does, and records everything. So a system
behind gates runs with the rights that it will have, and afterwards shows which of them it needed.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit
from xml.sax.saxutils import escape

from support.http_frames import HttpMessage, answer_of, read_message
from support.iam.accesses import Call, UnknownCall, accesses_of, read_call
from support.iam.policies import Access, Role

_LIMIT: Final = 2**20  # of a line or a head

# An answer in the emulator's place; None for what the emulator can answer itself.
Answer = Callable[[Call], HttpMessage | None]
# Changes the emulator's answer to a call, before the caller gets it.
Amend = Callable[[Call, HttpMessage], HttpMessage]


@dataclass(frozen=True, slots=True)
class Judged:
    """An access, whether it was allowed, and the call that needed it."""

    access: Access
    is_allowed: bool
    operation: str


@dataclass
class Gate:
    """One caller's way to the emulator."""

    role: Role
    upstream_url: str
    group_arn: Callable[[str], str]
    answer: Answer = lambda _: None
    amend: Amend = lambda _, answer: answer
    judged: list[Judged] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    url: str = ""

    def refused(self) -> list[str]:
        """What it refused, one sentence each."""
        sentences = [
            f"{self.role.name} may not {each.access.action} on {each.access.resource} "
            f"({each.operation})"
            for each in self.judged
            if not each.is_allowed
        ]
        return sorted({*sentences, *self.unknown})

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        address = urlsplit(self.upstream_url)
        upstream: asyncio.StreamWriter | None = None
        try:
            answers, upstream = await asyncio.open_connection(
                address.hostname, address.port, limit=2**24
            )
            while (request := await read_message(reader)) is not None:
                refusal, call = self._judge(request)
                if refusal is not None or call is None:
                    writer.write(refusal or b"")
                    await writer.drain()
                    continue
                answer = self.answer(call)
                if answer is None:
                    upstream.write(request.raw)
                    answer = await read_message(answers)
                    if answer is None:
                        break
                    answer = self.amend(call, answer)
                writer.write(answer.raw)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            for end in (writer, upstream):
                if end is not None:
                    end.close()

    def _judge(self, request: HttpMessage) -> tuple[bytes | None, Call | None]:
        """A refusal, or the call that may pass."""
        try:
            call = read_call(request)
            accesses = accesses_of(call, self.group_arn)
        except UnknownCall as error:
            self.unknown.append(str(error))
            return _denied(request, str(error)), None
        found = [Judged(each, self.role.allows(each), call.operation) for each in accesses]
        self.judged += found
        for each in found:
            if not each.is_allowed:
                sentence = (
                    f"User: {self.role.name} is not authorized to perform: {each.access.action} "
                    f"on resource: {each.access.resource}"
                )
                return _denied(request, sentence), None
        return None, call


def _denied(request: HttpMessage, sentence: str) -> bytes:
    """AccessDenied, in the request's protocol."""
    target = request.header("x-amz-target")
    if target:
        # SQS still sends its older protocol's codes too.
        older = {"x_amzn_query_error": "AccessDenied;Sender"} if "SQS" in target else {}
        return answer_of(
            "400 Bad Request",
            {"__type": "AccessDeniedException", "message": sentence, "Message": sentence},
            Content_Type="application/x-amz-json-1.0",
            **older,
        )
    return xml_answer(
        "403 Forbidden",
        "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
        f"<Message>{escape(sentence)}</Message></Error><RequestId>r</RequestId></ErrorResponse>",
    ).raw


def xml_answer(status: str, text: str) -> HttpMessage:
    """An answer of a service that speaks XML."""
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {len(body)}\r\n\r\n"
    return HttpMessage(head.encode(), body)


@contextmanager
def open_gates(*gates: Gate) -> Iterator[None]:
    """Let all gates listen on loopback, in a thread of their own, for the length of a block."""
    loop = asyncio.new_event_loop()
    servers: list[asyncio.Server] = []
    connections: set[asyncio.Task[None]] = set()

    async def start() -> None:
        for gate in gates:

            def on_connection(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, gate: Gate = gate
            ) -> None:
                task = loop.create_task(gate.serve(reader, writer))
                connections.add(task)
                task.add_done_callback(connections.discard)

            server = await asyncio.start_server(on_connection, "127.0.0.1", 0, limit=_LIMIT)
            gate.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            servers.append(server)

    async def stop() -> None:
        for server in servers:
            server.close()
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(start(), loop).result()
        yield
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
