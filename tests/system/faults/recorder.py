"""Turns what the proxies overhear into a history."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aistratus_contracts import table
from aistratus_contracts.errors import ContractError
from aistratus_contracts.event import decode_event, event_to_plain
from aistratus_contracts.job import decode_queue_message
from support.fault_proxy import Exchange
from system.faults.history import (
    Action,
    Appended,
    History,
    Received,
    ReceiveRefused,
    Record,
    Settled,
)

_HEADER = {"v", "seq", "attempt", "at"}


@dataclass
class Recorder:
    """Hears every exchange of the workers with the cloud."""

    history: History
    # An append that is sent again with its request token may be told again that it is through.
    _through: set[str] = field(default_factory=set)

    def hear(self, exchange: Exchange) -> None:
        """Add what an exchange says, if it is of interest."""
        for record in self._records(exchange):
            self.history.add(record)

    def _records(self, exchange: Exchange) -> Iterator[Record]:
        asked = exchange.request.json
        match exchange.action:
            case "TransactWriteItems":
                yield from self._append(exchange, asked["TransactItems"])
            case "ReceiveMessage" if exchange.answer.status == 200:
                for message in exchange.answer.json.get("Messages", []):
                    yield Received(
                        exchange.began,
                        exchange.at,
                        exchange.label,
                        message["MessageId"],
                        message["ReceiptHandle"],
                        _job_of(message["Body"]),
                    )
            case "ReceiveMessage" if exchange.answer.status == 400:
                attempt_id = str(asked.get("ReceiveRequestAttemptId", ""))
                yield ReceiveRefused(exchange.at, exchange.label, attempt_id)
            case "DeleteMessage":
                yield _settled(exchange, asked, Action.DELETE)
            case "ChangeMessageVisibility":
                yield _settled(exchange, asked, _change(asked))
            case "ChangeMessageVisibilityBatch":
                answer = exchange.answer.json
                done = {entry["Id"] for entry in answer.get("Successful", [])}
                for entry in asked["Entries"]:
                    yield _settled(exchange, entry, _change(entry), entry["Id"] in done)

    def _append(self, exchange: Exchange, items: list[dict[str, Any]]) -> Iterator[Appended]:
        updates = [item["Update"] for item in items if "Update" in item]
        if len(updates) != 1 or ":next_seq" not in updates[0]["ExpressionAttributeValues"]:
            return
        values = updates[0]["ExpressionAttributeValues"]
        bodies = [
            event_to_plain(decode_event(item["Put"]["Item"]["event"]["S"]))
            for item in items
            if "event" in item.get("Put", {}).get("Item", {})
        ]
        accepted = exchange.answer.status == 200
        if accepted and values[":append_id"]["S"] in self._through:
            return
        if accepted:
            self._through.add(values[":append_id"]["S"])
        yield Appended(
            began=exchange.began,
            at=exchange.at,
            writer=exchange.label,
            job=updates[0]["Key"][table.PARTITION_KEY]["S"].removeprefix(table.job_partition("")),
            attempt=int(values[":new_attempt"]["N"]),
            takes_over=values[":new_attempt"] != values[":attempt"],
            first_seq=int(values[":next_seq"]["N"]),
            kinds=tuple(next(iter(body.keys() - _HEADER)) for body in bodies),
            state=values[":new_state"]["S"],
            accepted=accepted,
        )


def _change(entry: dict[str, Any]) -> Action:
    return Action.EXTEND if int(entry["VisibilityTimeout"]) else Action.RELEASE


def _settled(
    exchange: Exchange, entry: dict[str, Any], action: Action, accepted: bool | None = None
) -> Settled:
    if accepted is None:
        accepted = exchange.answer.status == 200
    return Settled(
        exchange.began, exchange.at, exchange.label, entry["ReceiptHandle"], action, accepted
    )


def _job_of(body: str) -> str:
    try:
        return decode_queue_message(body).job_id
    except ContractError:
        return ""
