"""Measures the time from a unit's start to its `READY`, on a booted systemd.

`make bench-boot` runs it, as root. The role `worker` prepares the machine as it prepares an image;
the figures come from systemd's own time stamps. docs/boot.md describes the whole boot, including
the parts that cannot be measured here.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from boot_options import parser
from engine_bench.models import BenchModel, load
from engine_bench.options import CHOICES
from housekeeping import ROOT
from machine import boot, ssh
from machine.record import Record
from wheelhouse.contents import fill

BARS_SECONDS: Final = {"standin": 1.5, "shape": 3.0}
ENGINE: Final = "aistratus-engine.service"
WEIGHTS: Final = "aistratus-weights.service"
MODELS: Final = "/var/lib/aistratus/models"
# What the image has and this machine leaves out: the cloud's agent, and volumes it does not have.
SITE: Final = {"site_cloudwatch": False, "worker_started": False}

IMPORTS: Final = {
    "imports, engine": "import aistratus_daemon.engine.server",
    "imports, worker": "import aistratus_daemon.worker.__main__",
}


def measure(rounds: int) -> dict[str, Any]:
    """All figures, in seconds: each with its median and its rounds."""
    figures: dict[str, Any] = {}

    def note(name: str, measured: Callable[[Record, str], float], what: str) -> None:
        seconds = [round(measured(machine, what), 3) for _ in range(rounds)]
        figures[name] = {"median": statistics.median(seconds), "rounds": seconds}
        sys.stderr.write(f"{name}: {figures[name]['median']:.2f} s\n")

    with tempfile.TemporaryDirectory() as scratch, boot.running("bench-boot") as machine:
        wheels = Path(scratch) / "wheels"
        fill(wheels, complete=True)
        for name in CHOICES:
            model = load(name)
            _set_up(machine, model, wheels, Path(scratch))
            file = f"{MODELS}/{model.path.name}"
            note(f"weights into memory, {name}, from disk", _weights, file)
            note(f"weights into memory, {name}, again", _started, WEIGHTS)
            note(f"engine: start → READY, {name}", _started, ENGINE)
            ssh.run(machine, f"systemctl stop {ENGINE} {WEIGHTS}")
        for name, script in IMPORTS.items():
            note(name, _import, script)
    return figures


def _set_up(machine: Record, model: BenchModel, wheels: Path, scratch: Path) -> None:
    """Set up the site on the machine, with that model."""
    inventory, given = scratch / "inventory.json", scratch / "given.json"
    inventory.write_text(json.dumps(ssh.inventory(machine)), encoding="utf-8")
    variables = {
        "model_id": model.name,
        "model_name": model.path.name,
        "model_file": str(model.path),
        "model_bytes": model.path.stat().st_size,
        "model_sha256": model.sha256,
        "worker_wheelhouse": str(wheels),
    }
    given.write_text(json.dumps(SITE | variables), encoding="utf-8")
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            f"--inventory={inventory}",
            f"--extra-vars=@{given}",
            "site.yml",
        ],
        cwd=ROOT,
        env=os.environ | {"ANSIBLE_DEPRECATION_WARNINGS": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"The machine could not be set up:\n{done.stdout[-3000:]}{done.stderr[-1000:]}")


def _started(machine: Record, unit: str) -> float:
    """Seconds from the start of the unit's process until the unit is active."""
    ssh.run(
        machine, f"systemctl stop {unit}; systemctl reset-failed {unit}; systemctl start {unit}"
    )
    shown = ssh.run(
        machine,
        f"systemctl show --value -p ExecMainStartTimestampMonotonic"
        f" -p ActiveEnterTimestampMonotonic {unit}",
    ).stdout.split()
    began, active = sorted(map(int, shown))
    return (active - began) / 1e6


def _weights(machine: Record, file: str) -> float:
    """As `_started` for the weights, after asking the system to drop the file from its cache."""
    ssh.run(machine, f"sync {file}; dd if={file} iflag=nocache count=0 status=none")
    return _started(machine, WEIGHTS)


def _import(machine: Record, script: str) -> float:
    """Seconds that a fresh Python takes for the import, as the interpreter itself counts them."""
    timed = f"import time; t = time.perf_counter(); {script}; print(time.perf_counter() - t)"
    return float(ssh.run(machine, f"/opt/aistratus/current/bin/python -c '{timed}'").stdout)


def main() -> int:
    """Measure, write, and say whether the bars are met."""
    chosen = parser().parse_args()
    load_before = os.getloadavg()
    figures = measure(chosen.rounds)
    result = {
        "what": "from the start of a unit to READY, on a booted systemd",
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": os.cpu_count(),
            "system": f"{platform.system()} {platform.release()}",
        },
        "load_average_before": [round(each, 2) for each in load_before],
        "seconds": figures,
        "bars": {
            f"engine: start → READY, {name}": {
                "at_most": bar,
                "met": figures[f"engine: start → READY, {name}"]["median"] <= bar,
            }
            for name, bar in BARS_SECONDS.items()
        },
    }
    chosen.output.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", "utf-8")
    sys.stdout.write(f"{chosen.output}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
