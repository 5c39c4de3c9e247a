"""Every alarm has its line in docs/alarms.md: what it means, and what to do."""

import re

from housekeeping import ROOT
from support.terraform_code import code


def test_the_page_has_each_alarm_and_no_other() -> None:
    text = code()["modules/observability/main.tf"]
    listed = re.search(r"\n  alarms = \{\n(.*?)\n  \}\n", text, re.DOTALL)
    assert listed is not None
    named = set(re.findall(r"^    ([a-z-]+) = \{$", listed[1], re.MULTILINE))
    named |= set(re.findall(r'alarm_name +=\s"\$\{var\.name\}-([a-z-]+)"', text))
    page = (ROOT / "docs" / "alarms.md").read_text(encoding="utf-8")
    explained = set(re.findall(r"^\| `([a-z-]+)`", page, re.MULTILINE))
    assert explained == named
