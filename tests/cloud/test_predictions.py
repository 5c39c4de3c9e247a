"""What is expected of AWS and was never seen is a list that a person can read and tick off."""

import re

from aistratus_operator import ROOT
from aistratus_operator.cloud.predictions import PREDICTIONS

PAGE = (ROOT / "docs" / "cloud.md").read_text(encoding="utf-8")


def test_the_page_lists_each_prediction_and_no_other() -> None:
    _, _, section = PAGE.partition("\n## What only an account can tell\n")
    listed = re.findall(r"^\| `([a-z-]+)` \|", section.partition("\n## ")[0], re.MULTILINE)
    assert listed == [each.name for each in PREDICTIONS]


def test_each_says_where_it_comes_from_and_what_shows_it() -> None:
    assert len({each.name for each in PREDICTIONS}) == len(PREDICTIONS)
    for each in PREDICTIONS:
        assert all((each.expected, each.source, each.shown_by)), each.name
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", each.name)
