"""Readers of a job's log, who lose their connection now and then."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any, Final

from aistratus_contracts import table
from support.cloud import TABLE
from support.fault_proxy import DYNAMODB, FaultProxy
from support.http_frames import read_message
from system.faults.history import Seen, event_of

POLL_SECONDS: Final = 0.25
REQUEST_SECONDS: Final = 5.0
HANG_UP_SHARE: Final = 0.05
# The emulator wants to know who signs, not what.
_SIGNED: Final = (
    "AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/dynamodb/aws4_request, "
    "SignedHeaders=host, Signature=0"
)

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Interrupted(Exception):
    """No answer; the next try may bring one."""


@dataclass
class Watcher:
    """One reader of one job, over a connection of its own."""

    name: str
    job: str
    proxy: FaultProxy
    chance: random.Random
    record: Callable[[Seen], None]
    after: int = 0
    hang_ups: int = 0
    _connection: Connection | None = None

    async def follow(self) -> None:
        """Read on from the last event seen, until the job has ended."""
        try:
            while True:
                try:
                    if await self._look():
                        return
                except (Interrupted, ConnectionError, TimeoutError):
                    self._hang_up()
                await asyncio.sleep(self.chance.uniform(0.5, 1.5) * POLL_SECONDS)
        finally:
            self._hang_up()

    async def _look(self) -> bool:
        for item in await asyncio.wait_for(self._query(), REQUEST_SECONDS):
            if not table.is_event(item):
                continue
            raw = item["event"]["S"]
            self.record(Seen(monotonic(), self.name, self.job, raw))
            event = event_of(raw)
            self.after = event.seq
            if event.ends_job:
                return True
        return False

    async def _query(self) -> list[dict[str, Any]]:
        """What comes after the last event, as the router asks for it."""
        if self._connection is None:
            self._connection = await asyncio.open_connection(
                "127.0.0.1", self.proxy.port, limit=2**24
            )
        reader, writer = self._connection
        body = json.dumps(
            {
                "TableName": TABLE,
                "ConsistentRead": True,
                "KeyConditionExpression": "pk = :pk AND sk > :after",
                "ExpressionAttributeValues": {
                    ":pk": {"S": table.job_partition(self.job)},
                    ":after": {"S": table.event_sort_key(self.after)},
                },
            }
        ).encode()
        head = (
            f"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Amz-Target: {DYNAMODB}Query\r\n"
            f"Content-Type: application/x-amz-json-1.0\r\nAuthorization: {_SIGNED}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode() + body)
        await writer.drain()
        if self.chance.random() < HANG_UP_SHARE:
            self.hang_ups += 1
            raise Interrupted
        answer = await read_message(reader)
        if answer is None or answer.status != 200:
            raise Interrupted
        items: list[dict[str, Any]] = answer.json["Items"]
        return items

    def _hang_up(self) -> None:
        if self._connection is not None:
            self._connection[1].transport.abort()
            self._connection = None
