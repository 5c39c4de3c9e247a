"""`python -m cost_sheet`: writes docs/cost.md and its picture."""

import sys
from pathlib import Path
from typing import Final

from cost_sheet.configured import read_configured
from cost_sheet.errors import CostError
from cost_sheet.offers import offers
from cost_sheet.page import page
from cost_sheet.picture import draw
from cost_sheet.prices import read_prices
from cost_sheet.sheet import Sheet
from housekeeping import ROOT

PAGE: Final = ROOT / "docs" / "cost.md"
PICTURE: Final = ROOT / "docs" / "images" / "cost.png"


def the_sheet(root: Path = ROOT) -> Sheet:
    """The cost sheet of this repository."""
    return Sheet(read_prices(), read_configured(root / "terraform"))


def main() -> int:
    """Write both; returns 1 if something cannot be computed."""
    try:
        sheet = the_sheet()
        PAGE.write_text(page(sheet), encoding="utf-8")
        draw(offers(sheet), sheet.prices, PICTURE)
    except CostError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"docs/cost.md: an idle month is {sheet.idle_usd:.2f} USD.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
