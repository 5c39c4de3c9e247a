"""`PYTHONPATH=bench python -m engine_bench`: measure, print the table, write JSON and picture."""

import argparse
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
from engine_bench.report import Report, Section
from engine_bench.scenarios.long_prompt import LONG_PROMPT
from engine_bench.scenarios.memory import MEMORY
from engine_bench.scenarios.own_time import OWN_TIME
from engine_bench.scenarios.second_turn import SECOND_TURN
from engine_bench.scenarios.start import START
from engine_bench.scenarios.throughput import STANDIN_THROUGHPUT, THROUGHPUT

RESULTS: Final = Path(__file__).resolve().parents[1] / "results"
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
    options = _options(arguments)
    # Both must stop what was started; a shell starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    found = Report(options.rounds, options.quick, report.machine_facts())
    names = [options.model] if options.model else list(models.CHOICES)
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


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="engine_bench",
        description="Measures the engine beside other ways to get tokens out of a model.",
    )
    parser.add_argument("--rounds", type=int, default=3, help="medians are over so many (3)")
    parser.add_argument("--model", choices=models.CHOICES, help="one of the two; else both")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[scenario.name for scenario in SCENARIOS],
        metavar="NAME",
        help="of " + ", ".join(scenario.name for scenario in SCENARIOS),
    )
    parser.add_argument("--quick", action="store_true", help="little of everything: a smoke test")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the folder of the results")
    parser.add_argument("--json", action="store_true", help="JSON on stdout, not the table")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds must be at least 1.")
    return options


if __name__ == "__main__":
    sys.exit(main())
