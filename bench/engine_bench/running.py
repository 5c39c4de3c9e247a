"""One run of a benchmark: it measures scenario by scenario, and a failure does not end it."""

import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from engine_bench import models, report
from engine_bench.bench import Bench, Scenario
from engine_bench.errors import FAILURES
from engine_bench.report import Report, Section


def stop_on_signals() -> None:
    """Let Ctrl-C and SIGTERM stop what was started, too."""
    # A shell starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))


def measure(
    scenario: Scenario, wanted: Sequence[str], found: Report, folder: Path, began: float
) -> None:
    """Measure one scenario's part of the report.

    Args:
        scenario: what to measure.
        wanted: the names of its models that were asked for.
        found: the report, to which it is added.
        folder: for sockets and logs.
        began: when the run began, on the machine's monotonic clock.
    """
    section = Section(scenario.name, scenario.title)
    found.sections.append(section)
    progress = progress_of(scenario.name, began)
    progress("begins")
    try:
        loaded = {name: models.load(name) for name in wanted}
        result = scenario.run(Bench(loaded, found.rounds, found.is_quick, folder, progress))
    except FAILURES as error:
        section.failures.append(str(error))
        progress(f"NOT MEASURED: {error}")
        return
    section.figures, section.notes = result.figures, result.notes
    section.failures = result.failures
    found.cells += result.cells


def write(found: Report, target: Path, began: float) -> str:
    """Write the report as JSON into `target`; returns the text."""
    found.minutes = (time.monotonic() - began) / 60
    document = report.to_json(found)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(document, encoding="utf-8")
    return document


def progress_of(name: str, began: float) -> Callable[[str], None]:
    """What shows a scenario's progress, with the time since the run began."""

    def show(text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        sys.stderr.write(f"[{minutes:3}:{seconds:02}] {name}: {text}\n")
        sys.stderr.flush()

    return show
