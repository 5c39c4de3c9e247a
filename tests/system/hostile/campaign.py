"""Scenarios one after the other, each judged against what the same system was when idle."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from system.hostile import slots
from system.hostile.rig import Rig, Stand
from system.hostile.run import run
from system.hostile.scenario import Scenario
from system.hostile.verdict import Verdict, judge

# A share of what is counted in a full run.
SHORT_SCALE: Final = 0.05
IDLE_ROUNDS: Final = 20
SHORT_IDLE_ROUNDS: Final = 3
# In CI nobody knows what else the machine does: the bar that depends on its speed is generous.
SHORT_FLOOR_SECONDS: Final = 12.0
SHORT_JOB_SECONDS: Final = 8.0


@dataclass
class Campaign:
    """A stand, and how thoroughly each scenario is run. Close it at the end."""

    is_short: bool = False
    seconds: float | None = None
    scale: float | None = None
    say: Callable[[str], None] = lambda _: None

    def __post_init__(self) -> None:
        self._stand = Stand()

    def close(self) -> None:
        """Stop the system."""
        self._stand.close()

    def all(self, scenarios: Sequence[Scenario]) -> Iterator[Verdict]:
        """Each verdict as it is known."""
        for scenario in scenarios:
            yield self.one(scenario)

    def one(self, scenario: Scenario) -> Verdict:
        """Run it, and judge it."""
        # In CI one system serves for all of them.
        rig = self.rig(is_raised=scenario.is_raised and not self.is_short)
        seconds = scenario.short_seconds if self.is_short else scenario.seconds
        scale = SHORT_SCALE if self.is_short else 1.0
        seen = run(
            rig,
            scenario,
            self.seconds or seconds,
            self.scale or scale,
            is_probed=scenario.is_probed_short or not self.is_short,
        )
        full = rig.full_job_seconds or SHORT_JOB_SECONDS
        return judge(
            seen,
            rig.idle,
            alone_job_seconds=rig.alone_job_seconds or 0.0,
            full_job_seconds=full,
            floor_seconds=SHORT_FLOOR_SECONDS if self.is_short else 0.0,
        )

    def rig(self, *, is_raised: bool = False) -> Rig:
        """The system, with the quiet user's measure of it when it is idle."""
        rig = self._stand.rig(is_raised=is_raised)
        self._know_idle(rig)
        return rig

    def _know_idle(self, rig: Rig) -> None:
        """Have the quiet user's own measure of a system that does nothing else."""
        if rig.idle:
            return
        rounds = SHORT_IDLE_ROUNDS if self.is_short else IDLE_ROUNDS
        rig.quiet.go()
        rig.idle = rig.quiet.pause(at_least=rounds)
        if not self.is_short:
            rig.alone_job_seconds = slots.whole_job_seconds(rig, 1)
            rig.full_job_seconds = slots.whole_job_seconds(rig, rig.slots)
            self.say(
                f"{rig.slots} slots. A job of the whole context takes "
                f"{rig.alone_job_seconds:.1f} s alone, {rig.full_job_seconds:.1f} s with all."
            )
