"""`PYTHONPATH=bench python -m engine_bench`: measure, print the table, write JSON and picture."""

import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from engine_bench import models, picture, report
from engine_bench.bench import Bench, Scenario
from engine_bench.errors import FAILURES
from engine_bench.options import CHOICES, parser
from engine_bench.report import Report, Section
from engine_bench.scenarios.long_prompt import LONG_PROMPT
from engine_bench.scenarios.memory import MEMORY
from engine_bench.scenarios.own_time import OWN_TIME
from engine_bench.scenarios.second_turn import SECOND_TURN
from engine_bench.scenarios.start import START
from engine_bench.scenarios.throughput import STANDIN_THROUGHPUT, THROUGHPUT

SCENARIOS: Final = (
    THROUGHPUT,
    STANDIN_THROUGHPUT,
    SECOND_TURN,
    LONG_PROMPT,
    OWN_TIME,
    START,
    MEMORY,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every bar was met, 1 if not, or if something could not be measured."""
    options = parser().parse_args(arguments)
    # Both must stop what was started; a shell starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    found = Report(options.rounds, options.quick, report.machine_facts())
    names = [options.model] if options.model else list(CHOICES)
    try:
        with tempfile.TemporaryDirectory(prefix="engine-bench-") as folder:
            for scenario in SCENARIOS:
                wanted = [name for name in scenario.models if name in names]
                if wanted and (not options.only or scenario.name in options.only):
                    _measure(scenario, wanted, found, Path(folder), began)
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; nothing is written.\n")
        return 130
    found.minutes = (time.monotonic() - began) / 60
    options.output.mkdir(parents=True, exist_ok=True)
    document = report.to_json(found)
    (options.output / "engine.json").write_text(document, encoding="utf-8")
    picture.draw(found, options.output / "engine.png")
    sys.stdout.write(document if options.json else f"{report.table(found)}\n")
    sys.stderr.write(f"→ {options.output / 'engine.json'}, engine.png\n")
    return 0 if found.is_met else 1


def _measure(
    scenario: Scenario, wanted: Sequence[str], found: Report, folder: Path, began: float
) -> None:
    """Measure one scenario's part of the report; its failure does not end the run."""
    section = Section(scenario.name, scenario.title)
    found.sections.append(section)
    progress = _progress(scenario.name, began)
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


def _progress(name: str, began: float) -> Callable[[str], None]:
    def show(text: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        sys.stderr.write(f"[{minutes:3}:{seconds:02}] {name}: {text}\n")
        sys.stderr.flush()

    return show


if __name__ == "__main__":
    sys.exit(main())
