"""Writes what a run saw as a page: `docs/seen.md`."""

from pathlib import Path
from typing import Final

from aistratus_operator import ROOT
from aistratus_operator.cloud.smoke.expectations import EXPECTATIONS, Sighting, Verdict
from aistratus_operator.cloud.smoke.report import Report

_HEAD: Final = """# What was seen on an account

Written by `make smoke` ([how](cloud.md#a-smoke-test)); do not edit. Each check is **seen**, \
**not seen**, or **differs**.
"""
_NEVER: Final = "No run on a real account yet."


def default_path(report: Report) -> Path:
    """Where the page goes: into the docs, if the run came to its end, on AWS itself."""
    is_for_docs = not (report.is_emulated or report.failure)
    return ROOT / ("docs/seen.md" if is_for_docs else "build/seen.md")


def unseen() -> str:
    """The page before the first run."""
    rows = [
        Sighting(each.name, Verdict.NOT_SEEN, each.unreachable or _NEVER) for each in EXPECTATIONS
    ]
    return f"{_HEAD}\n{_NEVER}\n\n{_table(rows)}"


def page(report: Report) -> str:
    """The page of a run; it does not name the account."""
    where = "an emulated AWS" if report.is_emulated else "AWS"
    versions = "; ".join(f"{name} {value}" for name, value in report.versions.items() if value)
    facts = [
        f"On {report.at:%Y-%m-%d}, on {where}, in {report.region}. {versions}".rstrip(". ") + "."
    ]
    if report.failure:
        facts.append(f"The run did not come to its end: {report.failure}")
    if report.left:
        facts.append(f"Left: {', '.join(report.left)}.")
    times = "".join(f"| {what} | {took:.1f} |\n" for what, took in report.times.items())
    return (
        f"{_HEAD}\n{' '.join(facts)}\n\n{_table(list(report.sightings.values()))}\n"
        f"## Times\n| | seconds |\n|---|---|\n{times}"
    )


def write(path: Path, text: str) -> None:
    """Write the page, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f"{path.name}.new")
    made.write_text(text, encoding="utf-8")
    made.replace(path)


def _table(sightings: list[Sighting]) -> str:
    expected = {each.name: each.expected for each in EXPECTATIONS}
    rows = "".join(
        f"| `{each.name}` | {each.verdict} | {_cell(expected[each.name])} | "
        f"{_cell(each.evidence)} |\n"
        for each in sightings
    )
    return f"| check | | expected | evidence |\n|---|---|---|---|\n{rows}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "/").split())
