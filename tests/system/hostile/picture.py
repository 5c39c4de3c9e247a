"""The report as a picture: the quiet user's first token beside its bar, scenario by scenario."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter

from system.hostile.verdict import Verdict

DOTS_PER_INCH: Final = 130
INCHES_PER_ROW: Final = 0.26
_HELD, _MISSED, _BAR, _GRID, _TEXT = "#0b6e99", "#c8442f", "#2a9d5c", "#d9dde1", "#4a5058"
_STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#7a8088",
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def draw(verdicts: Sequence[Verdict], target: Path) -> None:
    """Write the picture as PNG."""
    rows = list(verdicts)[::-1]
    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=(11, 1.8 + INCHES_PER_ROW * len(rows)), layout="constrained")
        axes = canvas.subplots()
        axes.set_title("A quiet user's first token while another one attacks")
        for row, verdict in enumerate(rows):
            colour = _MISSED if verdict.faults else _HELD
            if "first_p50" in verdict.quiet:
                middle, late = verdict.quiet["first_p50"], verdict.quiet["first_p95"]
                axes.plot([middle, late], [row, row], color=colour, linewidth=2)
                axes.plot(middle, row, marker="o", markersize=5, color=colour)
                axes.plot(late, row, marker="|", markersize=9, color=colour)
            axes.plot(
                verdict.bar_seconds, row, marker="|", markersize=11, color=_BAR, markeredgewidth=2
            )
            if "first_p50" in verdict.idle:
                axes.plot(verdict.idle["first_p50"], row, marker=".", markersize=4, color=_TEXT)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        names = [f"{it.run.scenario.name}{' (missed)' if it.faults else ''}" for it in rows]
        axes.set_yticks(range(len(rows)), names)
        axes.set_xlabel(
            "seconds: idle (small dot), p50 (dot) to p95 (line), bar (green); "
            "red: a bar was missed, not always this one"
        )
        axes.grid(axis="x", color=_GRID)
        canvas.savefig(target, dpi=DOTS_PER_INCH)
