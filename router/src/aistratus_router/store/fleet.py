"""The fleet's part of the table: whether instances are wanted, and what is known about them.

A decision is written here first, and then applied to the group. So of many processes that wake the
fleet at once only one does it, and if a process dies halfway, the steward finishes its work.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aistratus_contracts import codec, table
from aistratus_contracts.limits import SIGN_OF_LIFE_SECONDS
from aistratus_contracts.table import Item, SignOfLife
from aistratus_router.store.table import Table

# A worker that misses six signs of life no longer counts as ready.
READY_WITHIN: Final = timedelta(seconds=6 * SIGN_OF_LIFE_SECONDS)

_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ON: Final = "on"
_OFF: Final = "off"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whether instances are wanted.

    `changed_at`: since when, or when somebody last asked for it. `is_held`: off until the next
    prompt or start; waiting jobs do not wake the fleet. The rest are the steward's notes:
    `active_at` is when there was last work, `ready_at` when a worker was last ready, `shortage_at`
    when AWS last had no instance, `switched_at` when the steward began to buy on demand, `tried`
    the instances that it saw since a worker was last ready, and `problem` what a person should
    know.
    """

    is_on: bool = False
    changed_at: datetime = _EARLIEST
    is_held: bool = False
    active_at: datetime = _EARLIEST
    ready_at: datetime = _EARLIEST
    shortage_at: datetime = _EARLIEST
    switched_at: datetime = _EARLIEST
    tried: frozenset[str] = frozenset()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything in the fleet's part of the table."""

    wanted: Wanted = field(default_factory=Wanted)
    workers: tuple[SignOfLife, ...] = ()

    def is_ready(self, now: datetime) -> bool:
        """Whether there is a worker with an engine that answers."""
        return any(
            worker.slots > 0 and abs(now - worker.seen_at) <= READY_WITHIN
            for worker in self.workers
        )

    def refusal(self, since: datetime) -> str:
        """Why an engine refused to start, if one did since then: the newest such word."""
        said = [each for each in self.workers if each.refusal and each.seen_at >= since]
        return max(said, key=lambda worker: worker.seen_at).refusal if said else ""


class FleetStore:
    """The partition `FLEET`."""

    def __init__(self, the_table: Table) -> None:
        self._table = the_table

    def wanted(self) -> Wanted:
        """What is wanted now."""
        item = self._table.get(table.group_key())
        return Wanted() if item is None else _read(item)

    def seen(self) -> Seen:
        """What is wanted, and which workers gave signs of life."""
        wanted, workers = Wanted(), []
        for item in self._table.query(table.FLEET_PARTITION):
            sort_key = str(item[table.SORT_KEY]["S"])
            if sort_key == table.GROUP:
                wanted = _read(item)
            elif sort_key.startswith(table.WORKER_PREFIX):
                workers.append(table.read_worker(item))
        return Seen(wanted, tuple(workers))

    def want_if_off(self, at: datetime) -> bool:
        """Want instances; False if they are wanted already. Of many at once, one gets True."""
        return self._write(
            {"wanted": _ON, "held": "", "problem": "", "tried": "", "changed_at": at},
            "attribute_not_exists(pk) OR wanted = :before",
            {":before": {"S": _OFF}},
        )

    def want(self, at: datetime) -> None:
        """Want instances, from now on."""
        self._write({"wanted": _ON, "held": "", "problem": "", "tried": "", "changed_at": at})

    def want_since(self, before: Wanted, at: datetime) -> bool:
        """Want instances, unless the decision has changed since `before` was read."""
        values: dict[str, datetime | str] = {
            "wanted": _ON,
            "held": "",
            "problem": "",
            "tried": "",
            "changed_at": at,
        }
        if before.changed_at == _EARLIEST:
            return self._write(values, "attribute_not_exists(pk)")
        return self._note(before, values)

    def want_none(self, at: datetime) -> None:
        """Want no instances until the next prompt or start."""
        self._write({"wanted": _OFF, "held": _ON, "problem": "", "changed_at": at})

    def want_none_since(
        self, before: Wanted, at: datetime, *, is_held: bool = False, problem: str = ""
    ) -> bool:
        """Want no instances, unless the decision has changed since `before` was read."""
        held = _ON if is_held else ""
        return self._note(
            before, {"wanted": _OFF, "held": held, "problem": problem, "changed_at": at}
        )

    def note(self, before: Wanted, **notes: datetime | str) -> bool:
        """Record what the steward saw, unless the decision has changed since `before` was read."""
        return self._note(before, notes)

    def _note(self, before: Wanted, values: dict[str, datetime | str]) -> bool:
        return self._write(
            values,
            "wanted = :before AND changed_at = :since",
            {
                ":before": {"S": _ON if before.is_on else _OFF},
                ":since": {"S": codec.format_time(before.changed_at)},
            },
        )

    def _write(
        self, values: dict[str, datetime | str], condition: str = "", known: Item | None = None
    ) -> bool:
        options: dict[str, Any] = {"ConditionExpression": condition} if condition else {}
        return self._table.update(
            Key=table.group_key(),
            UpdateExpression="SET " + ", ".join(f"{name} = :{name}" for name in values),
            ExpressionAttributeValues={
                **(known or {}),
                **{f":{name}": {"S": _text(value)} for name, value in values.items()},
            },
            **options,
        )


def _text(value: datetime | str) -> str:
    return value if isinstance(value, str) else codec.format_time(value)


def _read(item: Item) -> Wanted:
    def text(name: str) -> str:
        return str(item.get(name, {}).get("S", ""))

    def time(name: str) -> datetime:
        return codec.parse_time(text(name)) if text(name) else _EARLIEST

    return Wanted(
        is_on=text("wanted") == _ON,
        changed_at=time("changed_at"),
        is_held=text("held") == _ON,
        active_at=time("active_at"),
        ready_at=time("ready_at"),
        shortage_at=time("shortage_at"),
        switched_at=time("switched_at"),
        tried=frozenset(text("tried").split()),
        problem=text("problem"),
    )
