"""The named checks of a smoke test: what the run itself should show, and the predictions."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from aistratus_operator.cloud.predictions import PREDICTIONS


class Verdict(StrEnum):
    """What became of an expectation."""

    SEEN = "seen"
    NOT_SEEN = "not seen"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True)
class Expectation:
    """Something that should be so; `unreachable` says why the run cannot show it, if it cannot."""

    name: str
    expected: str
    unreachable: str = ""


@dataclass(frozen=True, slots=True)
class Sighting:
    """An expectation's verdict, and what was seen."""

    name: str
    verdict: Verdict
    evidence: str


JOURNEY: Final = (
    Expectation("deploys", "One command makes everything, with no step by hand."),
    Expectation("signs-in", "A user signs in through the login's page, and gets both scopes."),
    Expectation("wakes", "A prompt turns the GPU on, and is answered."),
    Expectation(
        "goes-on",
        "An instance is taken away in mid-answer; another one finishes the same answers.",
    ),
    Expectation("nothing-lost", "No text is lost or repeated by that."),
    Expectation("turns-off", "make stop turns the GPU off, and no instance is left."),
    Expectation("bill-tags", "All that costs money has the tags project and env."),
    Expectation("nothing-left", "One command removes everything."),
)

_UNREACHABLE: Final = {
    "capacity-rebalance-room": "Nothing but AWS recommends a rebalance. Fault Injection Service's "
    "aws:ec2:send-spot-instance-interruptions does, and a Spot notice; it needs a role of its own.",
    "distribution-needs-no-run": "The test has your rights, and not the steward's.",
    "grant-for-the-image-key": "It needs an image that a customer's key encrypts.",
    "unsubscribe-resource": "The test has your rights, and not the workflow's.",
    "shell-rights": "It needs a private network with session_manager, and a person: make shell.",
    "bad-card-ends": "It needs a bad card, or a person with a shell.",
    "template-number": "The run deploys a single image.",
    "figures-by-environment": "The run may be over before figures are there.",
}

EXPECTATIONS: Final = (
    *JOURNEY,
    *(
        Expectation(each.name, each.expected, _UNREACHABLE.get(each.name, ""))
        for each in PREDICTIONS
    ),
)
NAMES: Final = tuple(each.name for each in EXPECTATIONS)
