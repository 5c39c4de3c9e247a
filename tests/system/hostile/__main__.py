"""`make attack`: one user does all that is hostile, beside a quiet one whose experience counts.

Each scenario gets a line when it is done, and all of them a JSON file and a picture. Ends with 1
if a bar was missed, with 2 for arguments that make no sense.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from system.hostile.campaign import Campaign
from system.hostile.options import parser
from system.hostile.picture import draw
from system.hostile.scenario import Scenario
from system.hostile.scenarios.operations import HOSTILE_JOBS
from system.hostile.scenarios.registry import SCENARIOS, by_name
from system.hostile.verdict import Verdict, plain

VERY_MANY: Final = "very-many"


def main(arguments: list[str] | None = None) -> int:
    """0 if every bar was kept, 1 if one was missed, 2 for arguments that make no sense."""
    asked = parser().parse_args(arguments)
    # Live progress is for people: it comes line by line, also through a pipe.
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    try:
        scenarios = _chosen(asked)
    except ValueError as error:
        _say(str(error))
        return 2
    if asked.list:
        for scenario in scenarios:
            _say(f"{scenario.name:<28} {scenario.sentence}")
        return 0
    asked.output.mkdir(parents=True, exist_ok=True)
    target = asked.json or asked.output / "attack.json"
    campaign = Campaign(
        is_short=asked.short,
        seconds=asked.seconds,
        scale=asked.jobs / HOSTILE_JOBS if asked.jobs else None,
        say=_say,
    )
    verdicts: list[Verdict] = []
    try:
        for verdict in campaign.all(scenarios):
            verdicts.append(verdict)
            _say(verdict.line)
            # What is known is kept, however the rest goes.
            target.write_text(json.dumps(_report(verdicts, asked), indent=2) + "\n", "utf-8")
    finally:
        campaign.close()
    draw(verdicts, asked.output / "attack.png")
    held = sum(not verdict.faults for verdict in verdicts)
    _say(f"{held} of {len(verdicts)} held. Written to {target} and {asked.output / 'attack.png'}.")
    return 0 if held == len(verdicts) else 1


def _chosen(asked: argparse.Namespace) -> Sequence[Scenario]:
    """What is to be run; very many jobs only when they are asked for."""
    if asked.jobs:
        return by_name([VERY_MANY])
    chosen = by_name(asked.only) if asked.only else SCENARIOS
    return tuple(it for it in chosen if it.name != VERY_MANY or asked.only)


def _report(verdicts: Sequence[Verdict], asked: argparse.Namespace) -> dict[str, Any]:
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "cores": os.cpu_count(),
        "is_short": asked.short,
        "held": sum(not verdict.faults for verdict in verdicts),
        "scenarios": [plain(verdict) for verdict in verdicts],
    }


def _say(text: str) -> None:
    print(text)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
