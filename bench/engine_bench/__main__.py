"""`PYTHONPATH=bench python -m engine_bench`: measure, print the table, write JSON and picture."""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from engine_bench import picture, report, running
from engine_bench.options import CHOICES, parser
from engine_bench.report import Report
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
    running.stop_on_signals()
    began = time.monotonic()
    found = Report(options.rounds, options.quick, report.machine_facts())
    names = [options.model] if options.model else list(CHOICES)
    try:
        with tempfile.TemporaryDirectory(prefix="engine-bench-") as folder:
            for scenario in SCENARIOS:
                wanted = [name for name in scenario.models if name in names]
                if wanted and (not options.only or scenario.name in options.only):
                    running.measure(scenario, wanted, found, Path(folder), began)
    except KeyboardInterrupt:
        sys.stderr.write("Stopped; nothing is written.\n")
        return 130
    document = running.write(found, options.output / "engine.json", began)
    picture.draw(found, options.output / "engine.png")
    sys.stdout.write(document if options.json else f"{report.table(found)}\n")
    sys.stderr.write(f"→ {options.output / 'engine.json'}, engine.png\n")
    return 0 if found.is_met else 1


if __name__ == "__main__":
    sys.exit(main())
