"""Measures the router: `python router/bench.py`.

Start: a fresh process imports the Lambda entry, which makes the app and the clients; the median
of several, also as a multiple of what `import boto3` alone takes there, which tells a slow
machine from a slow router. If the Lambda package is built, the same out of it, with its Python.

Warm requests: the router's own time, with a table and a queue in memory. That includes what
these take, so it is an upper bound. The bar is held against the processor's time; what passed
on the clock stands beside it, and is the same on a quiet machine.
"""

import argparse
import io
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NoReturn, cast

from build_zip import LAMBDA_PYTHON, TARGET, find_python

from aistratus_contracts import table
from aistratus_contracts.event import Delta, StateChange, Usage
from aistratus_contracts.models import Catalogue, ModelCard
from aistratus_contracts.states import FinishReason, JobState
from aistratus_router.api.app import App, build_app
from aistratus_router.log import logger
from aistratus_router.ports import Ports
from aistratus_router.registry import Addresses

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))

from support.doubles.aws import Client  # noqa: E402
from support.doubles.dynamodb import Table  # noqa: E402
from support.doubles.sqs import Queue, Queues  # noqa: E402

RESULTS: Final = ROOT / "bench" / "results" / "router.json"
STARTS: Final = 9
REQUESTS: Final = 2000
# The table in memory is a plain one: it is emptied before its size is what is measured.
REQUESTS_A_TABLE: Final = 50
WORDS_AN_ANSWER: Final = 200

BARS: Final = {"start_ms": 450.0, "warm_p99_ms": 5.0}

_ENTRY: Final = "import aistratus_router.api.handler"
_BOTO3: Final = "import boto3"
_QUEUE_URL: Final = "memory://jobs.fifo"
_TIMED: Final = (
    "import sys, time; sys.path[:0] = sys.argv[2:]; began = time.perf_counter(); "
    "exec(sys.argv[1]); print((time.perf_counter() - began) * 1000)"
)
_ENVIRONMENT: Final = {
    "AISTRATUS_REGISTRY": "/aistratus/bench",
    "AWS_REGION": "eu-central-1",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_ACCESS_KEY_ID": "bench",
    "AWS_SECRET_ACCESS_KEY": "bench",
}
_CLAIMS: Final = {
    "sub": "bench",
    "token_use": "access",
    "client_id": "bench",
    "scope": "aistratus/infer",
}


class _Registry:
    """A registry that says the same thing always."""

    def read(self) -> Addresses:
        card = ModelCard("model", "Model", 2048, 256, 0.7, "Apache-2.0")
        return Addresses(
            table_name="jobs",
            queue_url=_QUEUE_URL,
            dead_letter_queue_url="memory://jobs-dlq.fifo",
            client_id="bench",
            catalogue=Catalogue((card,)),
        )

    def set_idle_timeout(self, seconds: int) -> None:
        raise NotImplementedError


def _no_fleet() -> NoReturn:
    raise NotImplementedError


class _Context:
    aws_request_id = "bench"

    def get_remaining_time_in_millis(self) -> int:
        return 29_000


def measure_start(python: Path, *folders: Path) -> dict[str, float]:
    """Fresh processes, the two kinds in turn, so that a busy moment hits both."""
    entry: list[float] = []
    boto3: list[float] = []
    for _ in range(STARTS + 1):
        entry.append(_timed(python, _ENTRY, folders))
        boto3.append(_timed(python, _BOTO3, folders))
    # The first of each fills the page cache.
    entry_ms, boto3_ms = statistics.median(entry[1:]), statistics.median(boto3[1:])
    return {
        "median_ms": round(entry_ms, 1),
        "min_ms": round(min(entry), 1),
        "boto3_median_ms": round(boto3_ms, 1),
        "times_boto3": round(entry_ms / boto3_ms, 2),
    }


def _timed(python: Path, statement: str, folders: tuple[Path, ...]) -> float:
    isolation = ["-I", "-S", "-B"] if folders else []
    command = [str(python), *isolation, "-c", _TIMED, statement, *map(str, folders)]
    run = subprocess.run(  # noqa: S603
        command, env={**os.environ, **_ENVIRONMENT}, capture_output=True, text=True, check=True
    )
    return float(run.stdout)


def measure_warm() -> dict[str, dict[str, float]]:
    """Each kind of request, one after the other, in milliseconds."""
    logger.registered_handler.stream = io.StringIO()  # type: ignore[attr-defined]
    return {name: _warm(request) for name, request in _REQUESTS.items()}


def _warm(request: Callable[[str, str], dict[str, Any]]) -> dict[str, float]:
    own: list[float] = []
    elapsed: list[float] = []
    while len(own) < REQUESTS:
        app, job_id, conversation_id = _app_with_an_answer()
        for _ in range(REQUESTS_A_TABLE):
            event = request(job_id, conversation_id)
            began, began_own = time.perf_counter(), time.thread_time()
            answer = app(event, cast("Any", _Context()))
            own.append((time.thread_time() - began_own) * 1000)
            elapsed.append((time.perf_counter() - began) * 1000)
            if answer["statusCode"] >= 300:
                raise SystemExit(f"A request failed: {answer}")
    cuts, elapsed_cuts = (statistics.quantiles(each, n=100) for each in (own, elapsed))
    return {
        "p50_ms": round(cuts[49], 3),
        "p99_ms": round(cuts[98], 3),
        "elapsed_p50_ms": round(elapsed_cuts[49], 3),
        "elapsed_p99_ms": round(elapsed_cuts[98], 3),
    }


def _app_with_an_answer() -> tuple[App, str, str]:
    memory = Table("jobs")
    clients = Client(memory.handle), Client(Queues(Queue(_QUEUE_URL)).handle)
    ports = Ports(cast("Any", clients[0]), cast("Any", clients[1]), _Registry(), _no_fleet)
    app = build_app(ports)
    job = json.loads(app(_infer("", ""), cast("Any", _Context()))["body"])
    _append(memory, job["job_id"], [StateChange(JobState.RUNNING)], new_attempt=True)
    for _ in range(WORDS_AN_ANSWER):
        _append(memory, job["job_id"], [Delta(" word", (7,))])
    end = StateChange(JobState.SUCCEEDED, FinishReason.STOP)
    _append(memory, job["job_id"], [Usage(10, 0, WORDS_AN_ANSWER), end])
    return app, job["job_id"], job["conversation_id"]


def _append(memory: Table, job_id: str, bodies: Any, *, new_attempt: bool = False) -> None:
    asked = {"TableName": "jobs", "Key": table.meta_key(job_id)}
    record = table.read_meta(memory.handle("GetItem", asked)["Item"])
    append = table.append("jobs", record, bodies, datetime.now(UTC), new_attempt=new_attempt)
    memory.handle("TransactWriteItems", {"TransactItems": append.transact_items})


def _event(method: str, path: str, query: str = "", body: str | None = None) -> dict[str, Any]:
    return {
        "version": "2.0",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"content-type": "application/json", "accept": "*/*"},
        "requestContext": {
            "stage": "$default",
            "http": {"method": method, "path": path},
            "authorizer": {"jwt": {"claims": _CLAIMS}},
        },
        "body": body,
        "isBase64Encoded": False,
    }


def _infer(_: str, __: str) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": "Why is the sky blue? " * 20}]}
    return _event("POST", "/infer", body=json.dumps({**body, "max_tokens": 200, "stop": ["\n"]}))


_REQUESTS: Final[Mapping[str, Callable[[str, str], dict[str, Any]]]] = {
    "GET /health": lambda _, __: _event("GET", "/health"),
    "POST /infer": _infer,
    "GET /jobs/{id}": lambda job_id, _: _event("GET", f"/jobs/{job_id}"),
    "GET /jobs/{id}/events": lambda job_id, _: _event("GET", f"/jobs/{job_id}/events", "after=190"),
    "GET /conversations": lambda _, __: _event("GET", "/conversations"),
    "GET /conversations/{id}": lambda _, conversation_id: _event(
        "GET", f"/conversations/{conversation_id}"
    ),
}


def main(arguments: list[str]) -> int:
    """Measure, print, write the results; 1 if a bar is missed."""
    parser = argparse.ArgumentParser(description="Measures the router.")
    parser.add_argument("--zip", type=Path, default=TARGET, help="the package, if it is built")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    start = {"sources": measure_start(Path(sys.executable))}
    lambda_python = find_python(LAMBDA_PYTHON)
    if options.zip.exists() and lambda_python is not None:
        with tempfile.TemporaryDirectory(prefix="router-bench-") as folder:
            zipfile.ZipFile(options.zip).extractall(folder)
            start["zip"] = measure_start(lambda_python, Path(folder))
    warm = measure_warm()
    results = {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg(),
        "bars": BARS,
        "start": start,
        "warm": warm,
    }
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    _print_table(start, warm)
    is_met = all(each["median_ms"] <= BARS["start_ms"] for each in start.values()) and all(
        each["p99_ms"] <= BARS["warm_p99_ms"] for each in warm.values()
    )
    return 0 if is_met else 1


def _print_table(start: dict[str, dict[str, float]], warm: dict[str, dict[str, float]]) -> None:
    rows: list[tuple[object, ...]] = [("start", "median", "min", "boto3", "ratio")]
    rows += [(name, *each.values()) for name, each in start.items()]
    rows += [("",) * 5, ("warm request", "p50", "p99", "clock p50", "clock p99")]
    rows += [(name, *each.values()) for name, each in warm.items()]
    lines = ["".join([f"{row[0]:<26}", *(f"{cell:>11}" for cell in row[1:])]) for row in rows]
    lines += ["", f"in milliseconds, on {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}"]
    print("\n".join(lines))  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
