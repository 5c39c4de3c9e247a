"""`python -m gpu_bench.run`: measure with the kit that `python3 -m gpu_bench` has unpacked."""

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from engine_bench import report, running
from engine_bench.report import Report
from gpu_bench import card, kit
from gpu_bench.drawing import draw
from gpu_bench.errors import Unprepared
from gpu_bench.options import parser
from gpu_bench.scenarios import scenarios


def main(arguments: Sequence[str] | None = None) -> int:
    """0 if every bar was met, 1 if not, or if something could not be measured."""
    options = parser().parse_args(arguments)
    running.stop_on_signals()
    began = time.monotonic()
    facts = report.machine_facts()
    facts["machine"]["card"] = None if options.cpu else card.described()
    facts["machine"]["architecture"] = kit.read_facts(options.kit)["architecture"]
    found = Report(options.rounds, options.quick, facts)
    target = options.output / "gpu.json"
    deadline = began + options.minutes * 60
    try:
        with tempfile.TemporaryDirectory(prefix="gpu-bench-") as folder:
            for scenario in scenarios(deadline, is_cpu=options.cpu):
                running.measure(scenario, scenario.models, found, Path(folder), began)
                # What was found so far stays, should the machine be taken away.
                running.write(found, target, began)
    except KeyboardInterrupt:
        sys.stderr.write(f"Stopped; {target} has what was found so far.\n")
        return 130
    except Unprepared as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{report.table(found)}\n")
    draw(target)
    return 0 if found.is_met else 1


if __name__ == "__main__":
    sys.exit(main())
