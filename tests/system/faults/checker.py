"""Proves from a history alone that the promises held, or shows where one was broken.

Each rule is a function from a history to what violates it. Where two things happened at the same
time as far as the history knows, a rule says nothing: a violation is one for certain.
"""

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from aistratus_contracts.event import Event
from system.faults.history import (
    Accepted,
    Action,
    Appended,
    CancelAsked,
    Disturbed,
    History,
    Left,
    Logged,
    Received,
    ReceiveRefused,
    Record,
    Seen,
    Settled,
    event_of,
)

# An undisturbed worker looks for a wish to cancel at least once a second.
CANCEL_BOUND_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Violation:
    """A promise that was broken: which, whose, and what shows it."""

    rule: str
    subject: str
    sentence: str
    evidence: tuple[Record, ...] = ()

    def __str__(self) -> str:
        lines = "".join(f"\n    {record}" for record in self.evidence)
        return f"{self.rule}: {self.subject}: {self.sentence}{lines}"


Rule = Callable[[History], Iterator[Violation]]


def ended_once(history: History) -> Iterator[Violation]:
    """Every accepted job ended, once, and nothing came after its end."""
    logs = _logs(history)
    appends = history.by_job(Appended)
    for accepted in history.all(Accepted):
        job = accepted.job
        events = logs.get(job, [])
        ends = [event for event in events if event.ends_job]
        if not ends:
            yield Violation("lost", job, f"never ended; its log has {len(events)} events")
        elif len(ends) > 1:
            yield Violation("ended twice", job, f"its log has {len(ends)} ends: {ends}")
        elif ends[0] is not events[-1]:
            yield Violation(
                "ended twice", job, f"goes on after event {ends[0].seq}, its end: {events[-1]}"
            )
        ended = [a for a in appends.get(job, []) if a.accepted and a.is_end]
        if len(ended) > 1:
            yield Violation("ended twice", job, "the table took two ends", tuple(ended))


def queue_is_settled(history: History) -> Iterator[Violation]:
    """No message is left over."""
    for left in history.all(Left):
        if left.visible or left.held:
            yield Violation("left over", "queue", "messages of ended jobs are still there", (left,))


def numbered_without_hole(history: History) -> Iterator[Violation]:
    """A log runs 1, 2, 3 …, and no number was given twice."""
    for job, events in _logs(history).items():
        numbers = [event.seq for event in events]
        if numbers != list(range(1, len(numbers) + 1)):
            yield Violation("hole or repeat", job, f"its log is numbered {numbers}")
    for job, appends in history.by_job(Appended).items():
        taken: dict[int, Appended] = {}
        for append in appends:
            if not append.accepted:
                continue
            for seq in range(append.first_seq, append.first_seq + len(append.kinds)):
                if seq in taken:
                    yield Violation(
                        "hole or repeat", job, f"event {seq} twice", (taken[seq], append)
                    )
                taken[seq] = append


def nothing_taken_back(history: History) -> Iterator[Violation]:
    """A reader saw events in order, each once; and what one saw, all saw, and the table has."""
    first_seen: dict[tuple[str, int], Seen | Logged] = {}
    logged = history.by_job(Logged)
    for records in logged.values():
        for log in records:
            first_seen[log.job, event_of(log.raw).seq] = log
    last: dict[tuple[str, str], int] = defaultdict(int)
    for seen in history.all(Seen):
        seq = event_of(seen.raw).seq
        before = last[seen.reader, seen.job]
        if seq != before + 1:
            yield Violation(
                "reordered", seen.job, f"{seen.reader} saw event {seq} after {before}", (seen,)
            )
        last[seen.reader, seen.job] = seq
        first = first_seen.setdefault((seen.job, seq), seen)
        if first.raw != seen.raw:
            yield Violation("retracted", seen.job, f"event {seq} has changed", (first, seen))
        elif logged and isinstance(first, Seen):
            yield Violation("retracted", seen.job, f"event {seq} is gone from the table", (seen,))


def turns_in_order(history: History) -> Iterator[Violation]:
    """A conversation's next turn was not taken up before the one before it had ended."""
    conversations: defaultdict[str, list[Accepted]] = defaultdict(list)
    for accepted in history.all(Accepted):
        conversations[accepted.conversation].append(accepted)
    appends = history.by_job(Appended)
    for name, turns in conversations.items():
        turns.sort(key=lambda accepted: accepted.turn)
        for one, next_one in itertools.pairwise(turns):
            begun = next((a for a in _through(appends, next_one.job) if a.takes_over), None)
            end = next((a for a in _through(appends, one.job) if a.is_end), None)
            if begun is not None and (end is None or begun.at < end.began):
                yield Violation(
                    "turn out of order",
                    name,
                    f"turn {next_one.turn} ran before turn {one.turn} had ended",
                    (begun, *([end] if end else [])),
                )


def fence_holds(history: History) -> Iterator[Violation]:
    """Attempts never go back, and who was overtaken wrote nothing any more."""
    for job, events in _logs(history).items():
        for event, following in itertools.pairwise(events):
            if following.attempt < event.attempt:
                yield Violation(
                    "fence", job, f"attempt {following.attempt} after {event.attempt}: {following}"
                )
    for job, appends in history.by_job(Appended).items():
        accepted = sorted((a for a in appends if a.accepted), key=lambda a: a.began)
        takes = [a for a in accepted if a.takes_over]
        for append in accepted:
            newer = next(
                (t for t in takes if t.attempt > append.attempt and t.at < append.began), None
            )
            if newer is not None:
                yield Violation(
                    "fence",
                    job,
                    f"attempt {append.attempt} wrote after attempt {newer.attempt} had begun",
                    (newer, append),
                )
        writers: dict[int, Appended] = {}
        for append in accepted:
            first = writers.setdefault(append.attempt, append)
            if first.writer != append.writer:
                yield Violation(
                    "fence", job, f"two writers in attempt {append.attempt}", (first, append)
                )


def stale_receipts_refused(history: History) -> Iterator[Violation]:
    """Once a message was given out again, its earlier receipts did nothing."""
    message_of = {received.receipt: received.message for received in history.all(Received)}
    given_out: defaultdict[str, list[Received]] = defaultdict(list)
    for received in history.all(Received):
        given_out[received.message].append(received)
    deleted_from: dict[str, float] = {}
    for settled in history.all(Settled):
        if settled.accepted and settled.action is Action.DELETE and settled.receipt in message_of:
            message = message_of[settled.receipt]
            newest = max(given_out[message], key=lambda received: received.at)
            if newest.receipt == settled.receipt:
                deleted_from.setdefault(message, settled.began)
    for settled in history.all(Settled):
        if not settled.accepted or settled.receipt not in message_of:
            continue
        message = message_of[settled.receipt]
        if deleted_from.get(message, float("inf")) < settled.at:
            # Whoever deletes what is deleted is told that it is: SQS takes that from any receipt.
            continue
        newer = _received_since(given_out[message], settled)
        if newer is not None:
            yield Violation("stale receipt", message, "an old receipt was taken", (newer, settled))


def cancelled_jobs_stop(history: History) -> Iterator[Violation]:
    """After the wish to cancel no text came, and the job ended soon where nothing disturbed it."""
    appends = history.by_job(Appended)
    disturbances = history.all(Disturbed)
    for asked in history.all(CancelAsked):
        through = _through(appends, asked.job)
        end = next((a for a in through if a.is_end), None)
        for append in through:
            # A job that ends by itself at that moment takes its last text along.
            ends_by_itself = append.is_end and append.state != "cancelled"
            if "delta" in append.kinds and append.began > asked.at and not ends_by_itself:
                yield Violation(
                    "not cancelled", asked.job, "text after the wish to cancel", (asked, append)
                )
        begun = [a for a in through if a.takes_over]
        if not begun:
            continue
        since = max(asked.at, begun[-1].at)
        until = since + CANCEL_BOUND_SECONDS
        is_disturbed = any(
            d.worker == begun[-1].instance and d.at < until and d.until > since
            for d in disturbances
        )
        if not is_disturbed and (end is None or end.at > until):
            yield Violation(
                "not cancelled",
                asked.job,
                f"had not ended {CANCEL_BOUND_SECONDS} s later, with nothing to disturb it",
                (asked, begun[-1], *([end] if end else [])),
            )


def receives_go_on(history: History) -> Iterator[Violation]:
    """A receive that the queue refused was not tried again as it was: that worker would starve."""
    refused: dict[tuple[str, str], ReceiveRefused] = {}
    for refusal in history.all(ReceiveRefused):
        first = refused.setdefault((refusal.worker, refusal.attempt_id), refusal)
        if first is not refusal:
            yield Violation("starves", refusal.worker, "asks the same again", (first, refusal))


RULES: Final[tuple[Rule, ...]] = (
    ended_once,
    queue_is_settled,
    numbered_without_hole,
    nothing_taken_back,
    turns_in_order,
    fence_holds,
    stale_receipts_refused,
    cancelled_jobs_stop,
    receives_go_on,
)
# What can be said of one job while others still run.
RULES_IN_PASSING: Final[tuple[Rule, ...]] = (
    numbered_without_hole,
    nothing_taken_back,
    fence_holds,
)


def check(history: History, rules: Sequence[Rule] = RULES) -> list[Violation]:
    """All that was broken."""
    return [violation for rule in rules for violation in rule(history)]


def _logs(history: History) -> dict[str, list[Event]]:
    """Each job's log as it was in the end, in the order in which it was read."""
    return {
        job: [event_of(log.raw) for log in logs] for job, logs in history.by_job(Logged).items()
    }


def _through(appends: dict[str, list[Appended]], job: str) -> list[Appended]:
    """The appends to a job's log that the table took, in order."""
    return sorted((a for a in appends.get(job, []) if a.accepted), key=lambda a: a.first_seq)


def _received_since(given_out: list[Received], settled: Settled) -> Received | None:
    """A later receive of the message, which was over before the old receipt was used."""
    ours = next(received for received in given_out if received.receipt == settled.receipt)
    return next(
        (
            r
            for r in given_out
            if r.receipt != ours.receipt and ours.at < r.began and r.at < settled.began
        ),
        None,
    )
