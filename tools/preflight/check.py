"""Checks whether a target may run: first make's command line, then the target's own check."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Final

from preflight.errors import WrongCall
from preflight.targets import TARGETS

_SWITCHES: Final = ("AGAIN", "YES", "UPGRADE")
_HELP: Final = frozenset({"-h", "--help"})
# The variables in which the Makefile passes its command line on.
GOALS: Final = "MAKE_GOALS"
GIVEN: Final = "MAKE_GIVEN"


def check(target: str, arguments: Sequence[str], environ: Mapping[str, str]) -> str:
    """Check a target with its program's arguments; returns the set of packages that it needs.

    Raises a `PreflightError` if the target was called wrongly, or lacks something.
    """
    goals = environ.get(GOALS, "").split() or [target]
    _check_goals(goals)
    _check_names(goals, environ.get(GIVEN, "").split())
    for name in _SWITCHES:
        if environ.get(name, "") not in ("", "1"):
            raise WrongCall(
                f"{name} is {environ[name]!r}, which means nothing. Say {name}=1, or leave it out."
            )
    found = TARGETS[target]
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if _HELP & set(options):  # the program shows it
        return found.needs
    return found.check(target, arguments, environ) or found.needs


def _check_goals(goals: Sequence[str]) -> None:
    for goal in goals:
        if goal not in TARGETS:
            raise WrongCall(
                f"There is no target {goal!r}. What a target works with is given as NAME=value; "
                "make help shows how each is called."
            )


def _check_names(goals: Sequence[str], given: Sequence[str]) -> None:
    """Refuse our variables that none of these targets takes, and near misses of those taken."""
    ours = frozenset().union(*(target.takes for target in TARGETS.values()))
    taken = frozenset().union(*(TARGETS[goal].takes for goal in goals))
    for name in given:
        alike = difflib.get_close_matches(name, taken, n=1, cutoff=0.75)
        if name in taken or not (name in ours or alike):
            continue
        what = f"It takes {alike[0]}" if alike else "Leave it out"
        raise WrongCall(
            f"make {goals[0]} takes no {name}. {what}; make help shows how it is called."
        )
