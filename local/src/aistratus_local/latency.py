"""`python -m aistratus_local.latency`: accepted → first token visible, and where the time goes.

Starts an otherwise idle system with the stand-in model, then asks questions one after another as
a long-polling client does. The times in each job's events (by the worker's clock, on the same
machine) split the total into its parts.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from aistratus_contracts.event import Delta, Event, StateChange, event_from_plain
from aistratus_contracts.states import JobState
from aistratus_local.choices import STANDIN
from aistratus_local.console import Console
from aistratus_local.models import local_model
from aistratus_local.ports import PortNumbers
from aistratus_local.signin import sign_in
from aistratus_local.stack import WIDE_LIMITS, StackSettings, running
from aistratus_local.state import StackState

BAR_MS: Final = 300.0
# For every commit after the first: the median and the 95th percentile.
COMMIT_BARS_MS: Final = (60.0, 150.0)
WARM_UP: Final = 5
QUESTION: Final = "What is Aistratus?"
# Its answer takes several commits.
LONG_QUESTION: Final = "Tell me about the whole journey of a prompt"


@dataclass(frozen=True, slots=True)
class Sample:
    """The latencies of one question, in milliseconds."""

    post: float  # POST /infer until its 202; not counted in `total`
    take: float  # 202 → the worker has received the message, loaded the job, and begins
    first_token: float  # begin → `running` committed, engine opened, prefill, first token
    visible: float  # first token committed → seen by the client in a page
    total: float  # 202 → first token seen
    later: tuple[float, ...] = ()  # each commit after the first → seen


ROWS: Final = {
    "post": "POST /infer until accepted (not counted)",
    "take": "queue, and the worker takes the job",
    "first_token": "commit of `running`, prefill, first token",
    "visible": "commit of the token, poll, way to the client",
    "total": "accepted → first token visible",
    "later": "any later commit → visible",
}


async def measure(state: StackState, count: int) -> list[Sample]:
    """Samples from an otherwise idle system."""
    tokens = await sign_in(state.login_url, state.client_id, state.user, state.password)
    headers = {"authorization": f"Bearer {tokens.access_token}"}
    async with httpx.AsyncClient(
        base_url=state.api_url, headers=headers, timeout=40, trust_env=False
    ) as http:
        samples = [await _sample(http, QUESTION, 16) for _ in range(WARM_UP + count)]
        long = [await _sample(http, LONG_QUESTION, 400) for _ in range(count)]
    later = [sample.later for sample in long]
    return [replace(one, later=more) for one, more in zip(samples[WARM_UP:], later, strict=True)]


async def _sample(http: httpx.AsyncClient, question: str, max_tokens: int) -> Sample:
    began = time.time()
    body = {"messages": [{"role": "user", "content": question}], "max_tokens": max_tokens}
    answer = await http.post("/infer", json=body)
    accepted = time.time()
    answer.raise_for_status()
    events: list[Event] = []
    seen = 0.0
    later: list[float] = []
    while not (events and events[-1].ends_job):
        after = events[-1].seq if events else 0
        url = f"/jobs/{answer.json()['job_id']}/events"
        page = await http.get(url, params={"after": after, "wait": 20})
        page.raise_for_status()
        now = time.time()
        await asyncio.sleep(page.json().get("retry_after", 0.0))
        new = [event_from_plain(event) for event in page.json()["events"]]
        deltas = [event.at.timestamp() for event in new if isinstance(event.body, Delta)]
        events += new
        if seen:
            later += [(now - at) * 1000 for at in deltas]
        elif deltas:
            seen = now
    started = next(
        event.at.timestamp()
        for event in events
        if isinstance(event.body, StateChange) and event.body.state is JobState.RUNNING
    )
    written = next(event.at.timestamp() for event in events if isinstance(event.body, Delta))
    steps = (accepted - began, started - accepted, written - started, seen - written)
    post, take, first_token, visible = (step * 1000 for step in steps)
    return Sample(post, take, first_token, visible, (seen - accepted) * 1000, tuple(later))


def summary(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """p50 and p95 of each part."""
    found = {}
    for item in fields(Sample):
        values = sorted(
            value
            for sample in samples
            for value in (sample.later if item.name == "later" else [getattr(sample, item.name)])
        )
        p95 = values[min(len(values) - 1, round(0.95 * len(values)))]
        found[item.name] = {
            "p50_ms": round(statistics.median(values), 1),
            "p95_ms": round(p95, 1),
        }
    return found


def table(found: dict[str, dict[str, float]]) -> str:
    """The summary as a table for people."""
    lines = [f"{'':48}{'p50 ms':>8}{'p95 ms':>8}"]
    for name, title in ROWS.items():
        lines.append(f"{title:48}{found[name]['p50_ms']:8.1f}{found[name]['p95_ms']:8.1f}")
    return "\n".join(lines)


async def run(count: int) -> dict[str, Any]:
    """Start the system, measure, stop it; returns the report."""
    console = Console(sys.stderr)
    model = local_model(STANDIN, console)
    with tempfile.TemporaryDirectory(prefix="aistratus-latency-") as folder:
        settings = StackSettings(
            PortNumbers(0, 0, 0, 0), model, Path(folder), with_app=False, limits=WIDE_LIMITS
        )
        began = time.monotonic()
        async with running(settings, lambda *_: None) as stack:
            state = await stack.start()
            ready = time.monotonic() - began
            samples = await measure(state, count)
    return {
        "what": "accepted to first token visible to a long-polling client, idle system",
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"cores": os.cpu_count(), "python": platform.python_version()},
        "load_average_1min": round(os.getloadavg()[0], 2),
        "model": model.card.id,
        "samples": count,
        "system_ready_seconds": round(ready, 2),
        "bar_p50_ms": BAR_MS,
        "bars_of_a_commit_ms": COMMIT_BARS_MS,
        "summary": summary(samples),
        "raw_ms": [
            {
                name: [round(one, 1) for one in value]
                if isinstance(value, tuple)
                else round(value, 1)
                for name, value in asdict(sample).items()
            }
            for sample in samples
        ],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, write the report; 1 when a bar is missed."""
    parser = argparse.ArgumentParser(prog="aistratus_local.latency")
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--output", type=Path, default=Path("bench/results/latency.json"))
    options = parser.parse_args(arguments)
    report = asyncio.run(run(options.count))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(f"{table(report['summary'])}\n→ {options.output}\n")
    found = report["summary"]
    later = (found["later"]["p50_ms"], found["later"]["p95_ms"])
    is_met = found["total"]["p50_ms"] <= BAR_MS and all(
        value <= bar for value, bar in zip(later, COMMIT_BARS_MS, strict=True)
    )
    return 0 if is_met else 1


if __name__ == "__main__":
    sys.exit(main())
