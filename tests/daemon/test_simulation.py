"""Whatever happens to workers, engines and the network: nothing lost, nothing twice, nothing
taken back.

Hypothesis makes up what happens; the clock is simulated, the worker is not. CI tries the same few
each time. More, each time others: `AISTRATUS_SIMULATION_EXAMPLES=500`, as `make test-long` has it.
"""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from aistratus_contracts import table
from aistratus_contracts.event import Delta, EventBody, StateChange
from aistratus_contracts.states import FinishReason, JobState
from aistratus_daemon.worker.job_log import DRAIN_COMMIT_SECONDS
from support.doubles.dynamodb import Item
from support.simulation.loop import LATE_TURN_SECONDS
from support.simulation.model import poison, token_of
from support.simulation.network import Fault
from support.simulation.scene import TABLE, Scene
from support.simulation.worker import JOBS, SimulatedWorker

EXAMPLES_VARIABLE = "AISTRATUS_SIMULATION_EXAMPLES"
CI_EXAMPLES = 30
STEPS = 50
STORY_LINES = 400

# Around what matters: a commit, a check for a cancel, a beat, a visibility timeout.
PAUSES = st.sampled_from([0.0, 0.02, 0.15, 0.5, 1.5, 4.0, 11.0, 35.0])
NUMBERS = st.integers(0, 5)
QUICK = settings(
    max_examples=int(os.environ.get(EXAMPLES_VARIABLE, CI_EXAMPLES)),
    # Who asks for a number wants others each time.
    derandomize=EXAMPLES_VARIABLE not in os.environ,
    deadline=None,
    # To explain a failure is to trace each line of it, which takes minutes.
    phases=set(Phase) - {Phase.explain},
)
SEEDS = st.integers(0, 2**32 - 1)


class Workers(RuleBasedStateMachine):
    """A fleet, its readers, and bad luck."""

    scene: Scene | None = None

    @initialize(
        seed=SEEDS,
        workers=st.integers(1, 3),
        slots=st.integers(1, 3),
        keeps_tokens=st.booleans(),
        # The shorter, the more often a worker loses what it still works on.
        visibility=st.sampled_from([4, 9, 30]),
    )
    def begin(
        self, seed: int, workers: int, slots: int, keeps_tokens: bool, visibility: int
    ) -> None:
        self.scene = Scene(seed, workers, slots, keeps_tokens, visibility)
        self.pass_time(2.0)

    # --- readers ---

    @rule(
        conversations=st.lists(NUMBERS, min_size=1, max_size=4),
        max_tokens=st.sampled_from([400, 4]),
        send=st.booleans(),
        pause=PAUSES,
    )
    def ask(self, conversations: list[int], max_tokens: int, send: bool, pause: float) -> None:
        for conversation in conversations:
            self.ask_one(conversation, max_tokens=max_tokens, send=send)
        self.pass_time(pause)

    @rule(pause=PAUSES)
    def send_late(self, pause: float) -> None:
        self.on.send_late()
        self.pass_time(pause)

    @rule(conversation=NUMBERS, fatal=st.integers(0, 25), pause=PAUSES)
    def ask_poison(self, conversation: int, fatal: int, pause: float) -> None:
        self.on.ask(f"conv-{conversation}", poison(fatal, f"{len(self.on.jobs)}"))
        self.pass_time(pause)

    @rule(number=NUMBERS, pause=PAUSES)
    def cancel(self, number: int, pause: float) -> None:
        if self.on.jobs:
            self.on.cancel(self.on.jobs[-1 - number % len(self.on.jobs)])
        self.pass_time(pause)

    @rule(number=NUMBERS, pause=PAUSES)
    def send_twice(self, number: int, pause: float) -> None:
        if self.on.jobs:
            self.on.send(self.on.jobs[-1 - number % len(self.on.jobs)])
        self.pass_time(pause)

    # --- workers ---

    @rule(number=NUMBERS, pause=PAUSES)
    def kill(self, number: int, pause: float) -> None:
        self.with_worker(number, pause, lambda worker: worker.kill())

    @rule(pause=PAUSES)
    def start(self, pause: float) -> None:
        for worker in self.on.fleet:
            worker.start()
        self.pass_time(pause)

    @rule(number=NUMBERS, pause=PAUSES)
    def drain(self, number: int, pause: float) -> None:
        self.with_worker(number, pause, lambda worker: worker.drain())

    @rule(number=NUMBERS, pause=PAUSES)
    def stop(self, number: int, pause: float) -> None:
        self.with_worker(number, pause, lambda worker: worker.stop())

    @rule(number=NUMBERS, seconds=st.sampled_from([1.0, 5.0, 10.0, 32.0]), pause=PAUSES)
    def freeze(self, number: int, seconds: float, pause: float) -> None:
        def freeze(worker: SimulatedWorker) -> None:
            worker.stop()
            self.pass_time(seconds)
            worker.go_on()

        self.with_worker(number, pause, freeze)

    @rule(pause=PAUSES)
    def go_on(self, pause: float) -> None:
        for worker in self.on.fleet:
            worker.go_on()
        self.pass_time(pause)

    # --- engines ---

    @rule(number=NUMBERS, pause=PAUSES)
    def kill_engine(self, number: int, pause: float) -> None:
        self.with_worker(number, pause, self.on.kill_engine)

    @rule(number=NUMBERS, pause=PAUSES)
    def hang_engine(self, number: int, pause: float) -> None:
        self.with_worker(number, pause, self.on.hang_engine)

    # --- the network ---

    @rule(
        number=NUMBERS,
        service=st.sampled_from(["sqs", "dynamodb"]),
        fault=st.sampled_from(Fault),
        times=st.integers(1, 8),
        pause=PAUSES,
    )
    def disturb(self, number: int, service: str, fault: Fault, times: int, pause: float) -> None:
        self.with_worker(number, pause, lambda worker: worker.disturb(service, fault, times))

    @rule(
        number=NUMBERS,
        service=st.sampled_from(["sqs", "dynamodb"]),
        rate=st.sampled_from([0.3, 1.0]),
        seconds=st.sampled_from([1.5, 12.0, 40.0]),
        pause=PAUSES,
    )
    def storm(self, number: int, service: str, rate: float, seconds: float, pause: float) -> None:
        self.with_worker(number, pause, lambda worker: worker.storm(service, rate, seconds))

    @rule(seconds=PAUSES)
    def wait(self, seconds: float) -> None:
        self.pass_time(seconds)

    # --- what must hold ---

    @invariant()
    def nothing_is_broken(self) -> None:
        if self.scene is not None:
            self.judge(self.scene)

    def teardown(self) -> None:
        if self.scene is None:
            return
        scene = self.scene
        try:
            if not scene.world.violations:
                scene.calm_down()
                scene.judge_ends()
            self.judge(scene)
        finally:
            scene.close()

    # --- how ---

    @property
    def on(self) -> Scene:
        assert self.scene is not None
        return self.scene

    def pass_time(self, seconds: float) -> None:
        self.on.world.run(seconds)

    def with_worker(
        self, number: int, pause: float, action: Callable[[SimulatedWorker], object]
    ) -> None:
        """Do that to a worker that is at work, after giving it some if nobody has any."""
        if all(log.ended for log in self.on.checker.jobs.values()):
            self.ask_one(number)
            self.pass_time(1.5)
        busy = self.on.busy_workers()
        action(busy[number % len(busy)])
        self.pass_time(pause)

    def ask_one(self, conversation: int, *, max_tokens: int = 400, send: bool = True) -> None:
        text = f"prompt {len(self.on.jobs)} of {self.on.seed}"
        self.on.ask(f"conv-{conversation}", text, max_tokens=max_tokens, send=send)

    def judge(self, scene: Scene) -> None:
        if scene.world.violations:
            note("\n".join(scene.world.story[-STORY_LINES:]))
            raise AssertionError("\n".join(scene.world.violations))


@contextmanager
def a_scene(seed: int, workers: int = 1, slots: int = 2) -> Iterator[Scene]:
    """A scene that must come to a good end."""
    scene = Scene(seed, workers, slots)
    try:
        yield scene
        scene.calm_down()
        scene.judge_ends()
        assert not scene.world.violations, "\n".join(scene.world.story[-STORY_LINES:])
    finally:
        scene.close()


def test_a_run_repeats() -> None:
    stories = []
    for _ in range(2):
        random.seed(1)  # the worker's own jitter; Hypothesis does the same
        with a_scene(seed=5, workers=2) as scene:
            for number in range(4):
                scene.ask(f"conv-{number % 3}", f"prompt {number}")
            scene.ask("conv-4", poison(3, "again"))
            for worker in scene.fleet:
                worker.storm("dynamodb", 0.3, 20.0)
            scene.world.run(8.0)
            scene.fleet[0].drain()
            scene.world.run(30.0)
        stories.append((scene.world.now, scene.world.story))
    assert stories[0] == stories[1]


def test_every_job_ends_once_in_order_and_whole_whatever_happens() -> None:
    run_state_machine_as_test(
        Workers,
        settings=settings(
            QUICK,
            stateful_step_count=STEPS,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@settings(QUICK)
@given(seed=SEEDS, after=st.floats(0.1, 8.0))
def test_a_worker_that_is_told_to_drain_gives_all_back_within_two_seconds(
    seed: int, after: float
) -> None:
    with a_scene(seed, slots=3) as scene:
        jobs = [scene.ask(f"conv-{n}", f"prompt {n} of {seed}") for n in range(3)]
        scene.world.run(3.0 + after)
        scene.fleet[0].drain()
        scene.world.run(2.0)
        held = [m for m in scene.cloud.queues[JOBS].messages if m.visible_at > scene.world.now]
        assert not held, "\n".join(scene.world.story)
        assert len(jobs) == 3


@settings(QUICK)
@given(seed=SEEDS, after=st.floats(0.1, 2.0))
def test_a_drain_that_meets_a_slow_table_writes_nothing_twice(seed: int, after: float) -> None:
    """An append's answer comes just when the drain no longer waits for it."""
    with a_scene(seed, slots=3) as scene:
        for number in range(3):
            scene.ask(f"conv-{number}", f"prompt {number} of {seed}")
        scene.world.run(3.0 + after)
        (worker,) = scene.fleet
        link = worker.link
        assert link is not None
        slowest = DRAIN_COMMIT_SECONDS + LATE_TURN_SECONDS
        link.slow_seconds = (DRAIN_COMMIT_SECONDS - LATE_TURN_SECONDS, slowest)
        worker.disturb("dynamodb", Fault.SLOW, 12)
        # Until the next append is on its way.
        scene.world.run(0.5, lambda: len(link.planned["dynamodb"]) < 12)
        worker.drain()
        scene.world.run(5.0)


def test_a_turn_that_ends_while_the_conversation_is_read_is_part_of_it() -> None:
    """The last append of a worker that was thought dead arrives between two reads of the next."""
    with a_scene(seed=1) as scene:
        first = scene.ask("conv-0", "prompt 0", send=False)
        second = scene.ask("conv-0", "prompt 1")
        log = scene.log(first.job_id)
        assert scene.world.run(10.0, lambda: bool(log.text))
        holder = log.holder
        scene.fleet[0].kill()
        scene.fleet[0].start()
        handle = scene.cloud.table.handle

        def query_and_end(operation: str, call: Item, by: str) -> Item:
            answer = handle(operation, call, by)
            is_of_turns = ":first" in call.get("ExpressionAttributeValues", ())
            if operation == "Query" and is_of_turns and not log.ended:
                assert log.expected is not None
                rest = log.expected[len(log.text) :]
                bodies: list[EventBody] = [
                    Delta(rest, tuple(token_of(letter) for letter in rest)),
                    StateChange(JobState.SUCCEEDED, FinishReason.STOP),
                ]
                end = table.append(
                    TABLE, log.record, bodies, scene.cloud.now(), answer_text=log.expected
                )
                handle("TransactWriteItems", {"TransactItems": end.transact_items}, holder)
            return answer

        scene.cloud.table.handle = query_and_end  # type: ignore[method-assign, assignment]
        ended = scene.world.run(120.0, lambda: bool(scene.log(second.job_id).ended))
        assert ended, "\n".join(scene.world.story)
