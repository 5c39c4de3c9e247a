"""Whatever happens to messages, workers and sweeps: each accepted job ends, and ends once."""

import json
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from aistratus_contracts import table
from aistratus_contracts.event import Delta, StateChange
from aistratus_contracts.states import FinishReason, JobState
from support.fake_world import Crash, Intercepted
from support.router_api import Api, memory_api

RUNNING = StateChange(JobState.RUNNING)
SUCCEEDED = StateChange(JobState.SUCCEEDED, FinishReason.STOP)
STEPS = st.integers(0, 30)
# Twice the longest silence that a job is left alone for, in rounds of five minutes.
ROUNDS = 16


class OpenJobs(RuleBasedStateMachine):
    """The router, the steward and workers that die, on a table and queues in memory."""

    @initialize()
    def begin(self) -> None:
        self.api: Api = memory_api()
        self.jobs: list[str] = []
        self.heard: dict[str, str] = {}

    @rule(step=STEPS)
    def ask(self, step: int) -> None:
        """A request, which may die at any of its calls."""
        before = set(self._stored())
        self._until_death(step, self.api.infer)
        self.jobs += sorted(set(self._stored()) - before)

    @rule(ends=st.booleans(), words=st.lists(st.sampled_from(["a", "b ", "🙂"]), max_size=3))
    def work(self, ends: bool, words: list[str]) -> None:
        """A worker takes a message, and ends its job or dies over it."""
        self._work_on_one(words, ends=ends)

    @rule()
    def lose_messages(self) -> None:
        self.api.lose_messages()

    @rule()
    def set_messages_aside(self) -> None:
        """SQS moves what nobody holds to the dead-letter queue."""
        for body, group in self.api.take_messages(self.api.registry.addresses.queue_url):
            self.api.bury("", body=body, group=group)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.jobs:
            job_id = data.draw(st.sampled_from(self.jobs))
            assert self.api.call("POST", f"/jobs/{job_id}/cancel").status == 202

    @rule(seconds=st.sampled_from([1, 31, 61, 301, 1000]))
    def wait(self, seconds: int) -> None:
        self.api.time.sleep(seconds)

    @rule(step=STEPS)
    def sweep_and_die(self, step: int) -> None:
        self._until_death(step, self.api.steward)

    @rule(step=STEPS)
    def sweep_while_another_sweeps(self, step: int) -> None:
        """At one call of a sweep a second one runs, from its beginning to its end."""
        calls = [0]

        def overtake(*_: object) -> None:
            calls[0] += 1
            if calls[0] == step + 1:
                self.api.steward()

        self._with_each_call(overtake)
        self.api.steward()
        self._with_each_call(None)

    @invariant()
    def the_list_is_of_the_jobs_that_have_not_ended(self) -> None:
        if hasattr(self, "api"):
            open_jobs = [job for job in self.jobs if not self._state(job).is_final]
            assert sorted(self.api.open_jobs()) == sorted(open_jobs)

    @invariant()
    def what_was_read_stays_and_an_answer_is_what_was_read(self) -> None:
        for job_id in getattr(self, "jobs", []):
            page = self.api.call("GET", f"/jobs/{job_id}/events").json
            events: list[dict[str, Any]] = page["events"]
            text = "".join(event["delta"]["text"] for event in events if "delta" in event)
            assert text.startswith(self.heard.get(job_id, ""))
            self.heard[job_id] = text
            ends = [e for e in events if e.get("state", {}).get("state") in FINAL]
            assert len(ends) <= 1
            if ends:
                assert ends == events[-1:]
                assert self.api.call("GET", f"/jobs/{job_id}").json["text"] == text

    def teardown(self) -> None:
        """From here on nothing dies: all that was accepted ends."""
        for _ in range(ROUNDS):
            self.api.time.sleep(300)
            self.api.steward()
            while self._work_on_one(["x"], ends=True):
                pass
        assert self.api.open_jobs() == []
        assert all(self._state(job_id).is_final for job_id in self.jobs)
        self.what_was_read_stays_and_an_answer_is_what_was_read()

    def _work_on_one(self, words: list[str], *, ends: bool) -> bool:
        queue, url = self.api.sqs._client, self.api.registry.addresses.queue_url
        for message in queue.receive_message(QueueUrl=url).get("Messages", []):
            job_id = json.loads(message["Body"])["job_id"]
            record = self.api.record(job_id)
            if not record.cursor.state.is_final and not record.cursor.cancel_requested:
                deltas = [Delta(word, (1,)) for word in words]
                self.api.work(job_id, RUNNING, *deltas, take=True)
                text = self.heard.get(job_id, "") + "".join(words)
                self.heard[job_id] = text
                if ends:
                    self.api.work(job_id, SUCCEEDED, text=text)
            if ends:
                queue.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return True
        return False

    def _until_death(self, step: int, act: Any) -> None:
        calls = [0]

        def die(*_: object) -> None:
            calls[0] += 1
            if calls[0] > step:
                raise Crash

        self._with_each_call(die)
        try:
            act()
        except Crash:
            pass
        finally:
            self._with_each_call(None)

    def _with_each_call(self, act: Any) -> None:
        clients: list[Intercepted] = [self.api.dynamodb, self.api.sqs]
        for client in clients:
            client.before = act or (lambda *_: None)

    def _state(self, job_id: str) -> JobState:
        return self.api.record(job_id).cursor.state

    def _stored(self) -> list[str]:
        return [
            item["pk"]["S"].removeprefix("JOB#")
            for item in self.api.items()
            if item["sk"]["S"] == table.META
        ]


FINAL = {state.value for state in JobState if state.is_final}
OpenJobs.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestOpenJobs = OpenJobs.TestCase
