"""What every scenario is given."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine_bench.contenders.contender import Contender, Session, Setup
from engine_bench.figures import Found
from engine_bench.models import BenchModel
from engine_bench.workload import Job, check


@dataclass(frozen=True, slots=True)
class Bench:
    """One run: `models` are those that the scenario has and that were asked for."""

    models: Mapping[str, BenchModel]
    rounds: int
    is_quick: bool
    folder: Path
    progress: Callable[[str], None]

    def setup(self, model: BenchModel, jobs: int) -> Setup:
        """The setup of one session, with a folder of its own."""
        return Setup(model, jobs, Path(tempfile.mkdtemp(dir=self.folder)))

    @contextmanager
    def session(self, contender: Contender, model: BenchModel, jobs: int) -> Iterator[Session]:
        """A contender for the length of a block."""
        with contender.open(self.setup(model, jobs)) as session:
            yield session


@dataclass(frozen=True, slots=True)
class Scenario:
    """One group of figures. `models`: the names of the models that it measures."""

    name: str
    title: str
    models: tuple[str, ...]
    run: Callable[[Bench], Found]


def first_seconds(session: Session, job: Job) -> float:
    """How long one job by itself waits for its first token."""
    outcomes = session.ask([job])
    check([job], outcomes)
    return outcomes[0].first_seconds
