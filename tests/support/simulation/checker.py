"""Judges what may be written from the table's writes alone, as they are committed."""

from collections.abc import Callable
from dataclasses import dataclass, field

from aistratus_contracts import table
from aistratus_contracts.event import Delta, Event, StateChange
from aistratus_contracts.job import Job
from aistratus_contracts.states import JobState
from aistratus_contracts.table import Answer, JobRecord, Turn
from aistratus_daemon.worker.conversation import Due, messages_for
from support.doubles.dynamodb import Item, Table, Write
from support.simulation.model import answer_to, token_of

ROUTER = "router"


@dataclass
class JobLog:
    """A job as its writes have made it."""

    record: JobRecord
    job: Job
    events: list[Event]
    text: str = ""
    # The process whose attempt holds the job now.
    holder: str = ROUTER
    ended: int = 0
    expected: str | None = None


@dataclass
class Checker:
    """Checks every commit; `complain` is called with each broken promise."""

    table: Table
    complain: Callable[[str], None]
    jobs: dict[str, JobLog] = field(default_factory=dict)

    def committed(self, by: str, writes: list[Write]) -> None:
        """Judge one transaction."""
        metas = [w for w in writes if w.key[1] == table.META]
        answers = [w for w in writes if w.key[1].endswith("#ANSWER")]
        events = [w for w in writes if w.key[1].startswith(table.EVENT_PREFIX)]
        documents = [w for w in writes if w.key[1] == table.DOCUMENT]
        if any(w.old is not None or not metas for w in documents):
            self.complain(f"{by} wrote to a job's document after the job was accepted: {writes}")
        if not metas and (answers or events):
            self.complain(f"{by} wrote to a log without moving its cursor: {writes}")
        for write in metas:
            if write.new is None:
                self.complain(f"{by} deleted {write.key}.")
            elif write.old is None:
                self._accepted(write.new, documents, events)
            else:
                self._moved(by, write.old, write.new, events, answers)

    def _accepted(self, new: Item, documents: list[Write], events: list[Write]) -> None:
        record = table.read_meta(new)
        jobs = [table.read_document(w.new) for w in documents if w.new is not None]
        jobs += [record.job] if isinstance(record.job, Job) else []
        if len(jobs) != 1:
            self.complain(f"{record.job.job_id} was accepted with {len(jobs)} documents.")
        first = [table.read_event(w.new) for w in events if w.new is not None]
        self.jobs[record.job.job_id] = JobLog(record, jobs[0], first)

    def _moved(
        self, by: str, old: Item, new: Item, events: list[Write], answers: list[Write]
    ) -> None:
        before, after = table.read_meta(old), table.read_meta(new)
        job_id = after.job.job_id
        log = self.jobs[job_id]
        log.record = after
        added = [table.read_event(w.new) for w in events if w.new is not None]

        def check(holds: bool, sentence: str) -> None:
            if not holds:
                self.complain(f"{by}, {job_id}: {sentence} ({before.cursor} -> {after.cursor})")

        check(before.job == after.job, "a job was changed")
        was, now = before.cursor, after.cursor
        if not added:
            is_request = by == ROUTER and now.cancel_requested and now.attempt == was.attempt
            check(is_request, "a cursor moved without an event")
            return
        check(all(w.old is None for w in events), "an event was written over")
        numbers = list(range(was.next_seq, now.next_seq))
        check([event.seq for event in added] == numbers, "seq has a hole or a repeat")
        check(now.attempt in {was.attempt, was.attempt + 1}, "the attempt jumped or went back")
        check({event.attempt for event in added} == {now.attempt}, "an event's attempt is not its")
        check(not was.state.is_final, "something was written after the end")
        check(now.cancel_requested or not was.cancel_requested, "a wish to cancel was forgotten")
        if now.attempt > was.attempt:
            log.holder = by
        check(by == log.holder, f"written without the fence, which {log.holder} has")
        log.events += added
        self._check_text(log, added, check)
        self._check_end(log, answers, check)

    def _check_text(
        self, log: JobLog, added: list[Event], check: Callable[[bool, str], None]
    ) -> None:
        deltas = [event.body for event in added if isinstance(event.body, Delta)]
        running = [
            event
            for event in added
            if isinstance(event.body, StateChange) and event.body.state is JobState.RUNNING
        ]
        if log.expected is None and (deltas or running):
            turns = self._turns(log)
            in_order = all(turn.answer is not None for turn in turns[:-1])
            check(in_order, "begun before an earlier turn had ended")
            due = Due(turns[-1], turns[:-1], 0)
            log.expected = answer_to(messages_for(due))
        for delta in deltas:
            log.text += delta.text
            check(list(delta.token_ids) == [token_of(c) for c in delta.text], "text without tokens")
            check(bool(delta.text), "an empty delta")
        check(not log.text or (log.expected or "").startswith(log.text), f"wrong text {log.text!r}")

    def _check_end(
        self, log: JobLog, answers: list[Write], check: Callable[[bool, str], None]
    ) -> None:
        job, state = log.job, log.record.cursor.state
        check(bool(answers) == state.is_final, "an answer without an end, or an end without one")
        if not state.is_final:
            return
        log.ended += 1
        check(log.ended == 1, "ended twice")
        check(log.events[-1].ends_job, "the last event is not the end")
        key = (
            table.user_partition(job.owner),
            table.answer_sort_key(job.conversation_id, job.turn),
        )
        made = table.answer_item(job, Answer(state, log.text))
        check([(w.key, w.old, w.new) for w in answers] == [(key, None, made)], "a wrong answer")
        if state is JobState.SUCCEEDED:
            wanted = (log.expected or "")[: job.sampling.max_tokens]
            check(log.text == wanted, f"succeeded with {log.text!r}, not {wanted!r}")

    def _turns(self, log: JobLog) -> list[Turn]:
        job = log.record.job
        items = self.table.partition(
            table.user_partition(job.owner), table.turns_prefix(job.conversation_id)
        )
        return [turn for turn in table.read_turns(items) if turn.turn <= job.turn]

    def judge_table(self) -> None:
        """Read everything back: the table must hold what its writes made."""
        for job_id, log in self.jobs.items():
            items = self.table.partition(table.job_partition(job_id))
            events = [table.read_event(item) for item in items if table.is_event(item)]
            cursor = table.read_meta(items[-1]).cursor
            whole = [event.seq for event in events] == list(range(1, cursor.next_seq))
            if events != log.events or not whole:
                self.complain(f"{job_id}: its log is not what was written")
            key = (
                table.user_partition(log.record.job.owner),
                table.answer_sort_key(log.record.job.conversation_id, log.record.job.turn),
            )
            if (key in self.table.items) != cursor.state.is_final:
                self.complain(f"{job_id}: it has an answer if and only if it has not ended")
