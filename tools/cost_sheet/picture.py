"""The bills as a chart: USD per month over prompts per day."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, NullFormatter

from cost_sheet import assumptions as given
from cost_sheet.offers import Offer
from cost_sheet.prices import Prices

INCHES: Final = (9.5, 5.6)
DOTS_PER_INCH: Final = 130
DIGEST: Final = "Figures"
"""The picture's text field that names the figures that it was drawn from."""

_PROMPTS: Final = tuple(round(10 ** (step / 20)) for step in range(20, 81))
_OURS, _GRID = "#0b6e99", "#d9dde1"
_OTHERS: Final = ("#8a8f98", "#e08e1b", "#c8442f", "#9b6bb3", "#2a9d5c")
_STYLE: Final[dict[Any, Any]] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#7a8088",
    "axes.axisbelow": True,
    "legend.frameon": False,
}


def digest(all_offers: Sequence[Offer]) -> str:
    """A hash of the figures in the chart."""
    figures = [
        f"{offer.name} {prompts} {offer.month(prompts):.4f}"
        for offer in all_offers
        for prompts in _PROMPTS
    ]
    return hashlib.sha256("\n".join(figures).encode()).hexdigest()


def draw(all_offers: Sequence[Offer], prices: Prices, target: Path) -> None:
    """Write the chart as PNG."""
    with mpl.rc_context(_STYLE):
        canvas = Canvas(figsize=INCHES, layout="constrained")
        axes = canvas.subplots()
        others = iter(_OTHERS)
        ours = iter(("-", "--"))
        for offer in all_offers:
            bill = [offer.month(prompts) for prompts in _PROMPTS]
            if offer.is_ours:
                axes.plot(_PROMPTS, bill, next(ours), color=_OURS, lw=2.6, label=offer.name)
            else:
                axes.plot(_PROMPTS, bill, color=next(others), lw=1.5, label=offer.name)
        axes.set(xscale="log", yscale="log", xlabel="prompts a day", ylabel="USD a month")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
            axis.set_minor_formatter(NullFormatter())
        axes.grid(color=_GRID, lw=0.8)
        axes.legend(loc="lower right", fontsize=9)
        canvas.suptitle(
            f"A month's bill, {prices.region}, prices of {prices.checked}; sittings of "
            f"{given.PROMPTS_PER_SITTING} prompts, {given.ACTIVE_HOURS_PER_DAY} hours a day",
            x=0.01,
            ha="left",
            fontsize=10,
            color="#4a5058",
        )
        canvas.savefig(
            target,
            dpi=DOTS_PER_INCH,
            metadata={DIGEST: digest(all_offers), "Software": None},
        )
