"""A run's report: what was measured, where, and whether it meets its bars."""

import json
import os
import platform
import re
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from engine_bench.contenders.http_server import llama_server_path
from engine_bench.figures import Bar, Cell, Figure, Sample, Sense
from engine_bench.processes import cores
from engine_bench.workload import ANSWER_TOKENS, PROMPT_TOKENS

_NAME_COLUMNS: Final = 56
_NUMBERS: Final = re.compile(r"\[\s+([-+.e\d,\s]+?)\s+\]")


@dataclass
class Section:
    """One scenario's part; `failures` are what could not be measured, and why."""

    name: str
    title: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


@dataclass
class Report:
    """All of one run."""

    rounds: int
    is_quick: bool
    facts: dict[str, Any]
    sections: list[Section] = field(default_factory=list)
    cells: list[Cell] = field(default_factory=list)
    minutes: float = 0.0

    @property
    def is_met(self) -> bool:
        """Whether everything was measured and every bar was met."""
        figures = [figure for section in self.sections for figure in section.figures]
        return all(figure.is_met is not False for figure in figures) and not any(
            section.failures for section in self.sections
        )


def machine_facts() -> dict[str, Any]:
    """Where and when; call this before anything is started."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "cores": cores(),
            "processor": _processor(),
            "memory_gib": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30),
            "system": f"{platform.system()} {platform.release()}",
            "python": platform.python_version(),
            "llama_cpp_python": version("llama-cpp-python"),
            "llama_server": llama_server_path() is not None,
        },
        "load_average_before": [round(load, 2) for load in os.getloadavg()],
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def to_plain(report: Report) -> dict[str, Any]:
    """The report as it is written to a file."""
    return {
        "what": "the engine beside other ways to get tokens out of a model, on one machine",
        **report.facts,
        "minutes": round(report.minutes, 1),
        "rounds": report.rounds,
        "quick": report.is_quick,
        "workload": {"prompt_tokens": PROMPT_TOKENS, "answer_tokens": ANSWER_TOKENS},
        "sections": [
            {
                "name": section.name,
                "title": section.title,
                "figures": [_figure_to_plain(figure) for figure in section.figures],
                **({"notes": section.notes} if section.notes else {}),
                **({"failures": section.failures} if section.failures else {}),
            }
            for section in report.sections
        ],
        "cells": [_rounded(asdict(cell)) for cell in report.cells],
    }


def _figure_to_plain(figure: Figure) -> dict[str, Any]:
    plain = {"name": figure.name, "value": figure.value, "unit": figure.unit}
    if figure.bar is not None:
        plain |= {figure.bar.sense.value: figure.bar.value, "met": figure.is_met}
    rounded: dict[str, Any] = _rounded({**plain, "rounds": list(figure.rounds)})
    return rounded


def _rounded(value: Any) -> Any:
    """Round to four digits, which is more than a measurement has."""
    match value:
        case float():
            return float(f"{value:.4g}")
        case dict():
            return {key: _rounded(item) for key, item in value.items()}
        case list() | tuple():
            return [_rounded(item) for item in value]
        case _:
            return value


def from_plain(plain: Mapping[str, Any]) -> Report:
    """The report that was written to a file."""
    sections = [
        Section(
            section["name"],
            section["title"],
            [_figure_from_plain(figure) for figure in section["figures"]],
            section.get("notes", []),
            section.get("failures", []),
        )
        for section in plain["sections"]
    ]
    cells = [
        Cell(
            cell["contender"],
            cell["model"],
            cell["jobs"],
            [Sample(**sample) for sample in cell["samples"]],
        )
        for cell in plain["cells"]
    ]
    facts = {name: plain[name] for name in ("measured_at", "machine", "load_average_before")}
    return Report(plain["rounds"], plain["quick"], facts, sections, cells, plain["minutes"])


def _figure_from_plain(plain: Mapping[str, Any]) -> Figure:
    bar = next((Bar(sense, plain[sense.value]) for sense in Sense if sense.value in plain), None)
    return Figure(plain["name"], plain["unit"], tuple(plain["rounds"]), bar)


def where(report: Report) -> str:
    """The machine in words: its card if one was measured, its cores, its processor."""
    machine = report.facts["machine"]
    card = f"{machine['card']}, " if machine.get("card") else ""
    return f"{card}{machine['cores']} cores ({machine['processor']})"


def to_json(report: Report) -> str:
    """The report as JSON text, a list of numbers on one line."""
    text = json.dumps(to_plain(report), indent=1, ensure_ascii=False)
    return _NUMBERS.sub(lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def table(report: Report) -> str:
    """The report for people."""
    lines = []
    for section in report.sections:
        lines += ["", section.title]
        lines += [_row(figure) for figure in section.figures]
        lines += [f"  {note}" for note in section.notes]
        lines += [f"  NOT MEASURED: {failure}" for failure in section.failures]
    load = report.facts["load_average_before"][0]
    lines += [
        "",
        f"{where(report)}, load {load} before, medians of "
        f"{report.rounds} rounds, {report.minutes:.1f} minutes"
        + (", QUICK: too little was asked for figures that count" if report.is_quick else ""),
    ]
    return "\n".join(lines[1:])


def _row(figure: Figure) -> str:
    low, high = min(figure.rounds), max(figure.rounds)
    spread = f"{_number(low)} – {_number(high)}" if len(figure.rounds) > 1 else ""
    bar = figure.bar.text if figure.bar else ""
    met = {None: "", True: "met", False: "MISSED"}[figure.is_met]
    value = f"{_number(statistics.median(figure.rounds)):>8} {figure.unit}"
    return f"  {figure.name:{_NAME_COLUMNS}}{value:18}{spread:18}{bar:8}{met}".rstrip()


def _number(value: float) -> str:
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
