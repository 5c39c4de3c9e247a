"""The report as a picture: speed, first tokens, bars, and cost, a panel each."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from aistratus_local.choices import STANDIN
from engine_bench.figures import Cell, Figure, Sense
from engine_bench.options import TINY
from engine_bench.report import Report, where

INCHES: Final = (13.5, 9.5)
DOTS_PER_INCH: Final = 130
_OURS, _GOOD, _BAD, _GRID = "#0b6e99", "#2a9d5c", "#c8442f", "#d9dde1"
# Name, colour, marker; ours is drawn strongest, the ceiling is dashed.
_STYLES: Final[dict[str, tuple[str, str]]] = {
    "engine": (_OURS, "o"),
    "local path": ("#5bb5d6", "D"),
    "raw loop": ("#8a8f98", "s"),
    "llama-server": ("#e08e1b", "^"),
    "llama_cpp.server": ("#9b6bb3", "v"),
    "Llama()": ("#b07a54", "P"),
    "Llama(), all cores": ("#6b4a33", "X"),
}
_STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#7a8088",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def draw(report: Report, target: Path) -> None:
    """Write the picture as PNG."""
    cells = [cell for cell in report.cells if cell.model != STANDIN]
    figures = [figure for section in report.sections for figure in section.figures]
    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=INCHES, layout="constrained")
        canvas.suptitle(_headline(report), x=0.01, ha="left", fontsize=11, color="#4a5058")
        ((speed, first), (cost, bars)) = canvas.subplots(2, 2)
        _draw_speed(speed, cells)
        _draw_first_tokens(first, cells)
        _draw_cost(cost, cells)
        _draw_bars(bars, [figure for figure in figures if figure.bar is not None])
        canvas.savefig(target, dpi=DOTS_PER_INCH)


def _headline(report: Report) -> str:
    is_tiny = any(cell.model == TINY for cell in report.cells)
    model = "a tiny model" if is_tiny else "TinyLlama 1.1B's shape"
    text = (
        f"The engine beside others: {model}, Q4_K_M, {where(report)}, "
        f"medians of {report.rounds} rounds, "
        f"{report.facts['measured_at'][:10]}"
    )
    return text + ("   QUICK RUN: no figures that count" if report.is_quick else "")


def _draw_speed(axes: Axes, cells: Sequence[Cell]) -> None:
    axes.set_title("Tokens per second")
    for name, several in _by_contender(cells):
        colour, marker = _style(name)
        jobs = [cell.jobs for cell in several]
        rates = [cell.tokens_per_second for cell in several]
        all_rates = [[sample.tokens_per_second for sample in cell.samples] for cell in several]
        low = [rate - min(each) for rate, each in zip(rates, all_rates, strict=True)]
        high = [max(each) - rate for rate, each in zip(rates, all_rates, strict=True)]
        axes.errorbar(
            jobs,
            rates,
            yerr=(low, high),
            label=name,
            color=colour,
            marker=marker,
            markersize=9 if name == "engine" else 6,
            linewidth=2.6 if name == "engine" else 1.4,
            linestyle="--" if name == "raw loop" else "-",
            elinewidth=1,
            capsize=2,
            zorder=4 if len(several) == 1 else 3 if name == "engine" else 2,
        )
    counts = sorted({cell.jobs for cell in cells})
    if counts:
        axes.set_xscale("log", base=2)
        axes.xaxis.set_major_locator(FixedLocator(counts))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.legend(loc="upper left", fontsize=9)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("jobs at once")
    axes.grid(axis="y", color=_GRID)


def _draw_first_tokens(axes: Axes, cells: Sequence[Cell]) -> None:
    axes.set_title("First token: median, and longest wait")
    seen = [cell for cell in cells if cell.first_token_seconds]
    rows = [cell for _, several in _by_contender(seen) for cell in several][::-1]
    for row, cell in enumerate(rows):
        colour, _ = _style(cell.contender)
        seconds = cell.first_token_seconds
        middle = statistics.median(seconds)
        axes.barh(row, middle, height=0.62, color=colour)
        axes.plot([middle, seconds[-1]], [row, row], color=colour, linewidth=1.6)
        axes.plot(seconds[-1], row, marker="|", markersize=9, color=colour)
        axes.annotate(
            f"{middle:.2f} s",
            (seconds[-1], row),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color="#4a5058",
        )
    axes.set_yticks(range(len(rows)), [_label(cell) for cell in rows], fontsize=9)
    axes.margins(x=0.14)
    axes.set_xlim(left=0)
    axes.set_xlabel("seconds after the question")
    axes.grid(axis="x", color=_GRID)


def _draw_cost(axes: Axes, cells: Sequence[Cell]) -> None:
    axes.set_title("Processor time per token, peak memory")
    rows = [several[-1] for _, several in _by_contender(cells)][::-1]
    for row, cell in enumerate(rows):
        colour, _ = _style(cell.contender)
        axes.barh(row, cell.cpu_ms_per_token, height=0.62, color=colour)
        axes.annotate(
            f"{cell.cpu_ms_per_token:.1f} ms · {cell.peak_mib:,.0f} MiB",
            (cell.cpu_ms_per_token, row),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color="#4a5058",
        )
    axes.set_yticks(range(len(rows)), [_label(cell) for cell in rows], fontsize=9)
    axes.margins(x=0.3)
    axes.set_xlim(left=0)
    axes.set_xlabel("milliseconds of processor time per token")
    axes.grid(axis="x", color=_GRID)


def _draw_bars(axes: Axes, figures: Sequence[Figure]) -> None:
    axes.set_title("Against the bars (right of 1: better)")
    for row, figure in enumerate(figures[::-1]):
        score = _score(figure)
        colour = _GOOD if figure.is_met else _BAD
        axes.plot([1, score], [row, row], color=colour, linewidth=3, solid_capstyle="round")
        axes.plot(score, row, marker="o", markersize=8, color=colour)
        bar = figure.bar.text if figure.bar else ""
        axes.annotate(
            f"{figure.value:.3g} {figure.unit} ({bar})",
            (max(score, 1), row),
            (9, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color="#4a5058",
        )
    axes.axvline(1, color="#4a5058", linewidth=1)
    axes.set_yticks(range(len(figures)), [figure.name for figure in figures[::-1]], fontsize=8)
    if figures:
        scores = [_score(figure) for figure in figures]
        axes.set_xscale("log")
        axes.set_xlim(min(0.7, *scores) * 0.8, max(1.5, *scores) * 2.6)
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_locator(FixedLocator([0.1, 0.25, 0.5, 1, 2, 4, 10, 25]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.set_xlabel("times as good as the bar")
    axes.grid(axis="x", color=_GRID)


def _score(figure: Figure) -> float:
    """How many times better than its bar; kept drawable."""
    if figure.bar is None:
        return 1.0
    value = max(figure.value, 1e-3)
    score = value / figure.bar.value
    score = score if figure.bar.sense is Sense.AT_LEAST else 1 / score
    return min(max(score, 0.1), 25.0)


def _by_contender(cells: Iterable[Cell]) -> list[tuple[str, list[Cell]]]:
    """In the order of the styles, each from few jobs to many."""
    found: dict[str, list[Cell]] = {name: [] for name in _STYLES}
    for cell in sorted(cells, key=lambda cell: cell.jobs):
        found.setdefault(cell.contender, []).append(cell)
    return [(name, several) for name, several in found.items() if several]


def _style(name: str) -> tuple[str, str]:
    return _STYLES.get(name, ("#444444", "o"))


def _label(cell: Cell) -> str:
    return f"{cell.contender} × {cell.jobs}"
