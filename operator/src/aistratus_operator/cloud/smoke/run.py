"""The way through a smoke test: its bounds, its steps, and the removal that always comes.

    smoke("dev", "", Options(), confirm=input)

Whatever happens, also Ctrl-C and the end of the time, the GPU is turned off and what was made is
removed; if that fails, the report says what is left.
"""

import os
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from aistratus_operator import ROOT
from aistratus_operator.cloud.deploy import Options, check
from aistratus_operator.cloud.doctor.fleet_checks import deployed_image
from aistratus_operator.cloud.doctor.patient import Patient
from aistratus_operator.cloud.progress import tell
from aistratus_operator.cloud.registry import read_all
from aistratus_operator.cloud.smoke.bounds import Bounds, bounds_of
from aistratus_operator.cloud.smoke.expectations import EXPECTATIONS, Sighting, Verdict
from aistratus_operator.cloud.smoke.interrupts import handled_signals, time_limit
from aistratus_operator.cloud.smoke.journey import Instances
from aistratus_operator.cloud.smoke.removal import remove
from aistratus_operator.cloud.smoke.report import EXPECTED, Report, sentence
from aistratus_operator.cloud.smoke.steps import ELSEWHERE, STEPS, Smoke, Step
from aistratus_operator.cloud.stack import Stack, open_stack
from aistratus_operator.errors import OperatorError

_PUBLIC_FILE: Final = ROOT / "build" / "smoke.env_public"
# What stands in a report for the account's id.
_ACCOUNT: Final = "ACCOUNT"


def smoke(
    name: str,
    region: str = "",
    options: Options | None = None,
    *,
    is_existing: bool = False,
    confirm: Callable[[str], str] | None = None,
) -> Report:
    """Run all steps in an environment; returns what was seen, after everything is removed.

    `is_existing`: the environment is there, and stays. `confirm`, if given, must return its name.
    Raises an `OperatorError` if the run may not begin.
    """
    # The addresses of a deployment that goes again are no app's.
    options = replace(options or Options(), env_file=_PUBLIC_FILE)
    stack = open_stack(name, region, folder=options.folder)
    bounds = bounds_of(stack.environment)
    _check_begin(stack, is_existing=is_existing)
    image = deployed_image(Patient(stack.environment)) if is_existing else check(stack, options)
    tell(options.out, _announced(stack, bounds, is_existing=is_existing))
    if confirm is not None and confirm(f"Type {name} to go on: ").strip() != name:
        raise OperatorError(f"Nothing was made: that was not {name}.")
    report = Report(name, stack.account.region, datetime.now(UTC), bool(os.environ.get(ELSEWHERE)))
    run = Smoke(stack, options, image, report, is_existing)
    with handled_signals() as signals:
        try:
            with time_limit(bounds.working_seconds, signals):
                for number, step in enumerate(STEPS, 1):
                    _do(run, number, step)
        except KeyboardInterrupt:
            report.failure = signals.why
        except EXPECTED as error:
            report.failure = sentence(error)
        finally:
            signals.is_removing = True
            remove(run)
    _fill(report, stack.account.id)
    return report


def _check_begin(stack: Stack, *, is_existing: bool) -> None:
    name, region = stack.environment.name, stack.account.region
    if stack.environment.deletion_protection and not is_existing:
        raise OperatorError(
            f"{name} is protected from deletion, so the test could not remove it. Take another "
            "environment, such as ENV=dev."
        )
    there = stack.is_deployed() or bool(read_all(stack.account, stack.environment))
    if there and not is_existing:
        raise OperatorError(
            f"{name} is deployed in {region}, and the test would remove it. Take another "
            f"environment, or test what is there, which stays: make smoke ENV={name} "
            'ARGS="--existing"'
        )
    if is_existing:
        stack.check_deployed()
        instances = Instances.of(stack.account, read_all(stack.account, stack.environment))
        if instances.states():
            raise OperatorError(
                f"The GPU of {name} is on, and the test would take it from those who use it. When "
                f"nobody does, turn it off with make stop ENV={name}, then run this again."
            )


def _announced(stack: Stack, bounds: Bounds, *, is_existing: bool) -> str:
    """What the run will do, and what it may take."""
    name = stack.environment.name
    steps = [step for step in STEPS if step.name != "deploy" or not is_existing]
    removal = "turns the GPU off, and leaves the rest" if is_existing else "removes it"
    listed = "".join(f"  {number}. {step.does}\n" for number, step in enumerate(steps, 1))
    return (
        f"The smoke test of {name} in account {stack.account.id}, {stack.account.region}:\n"
        f"{listed}  {len(steps) + 1}. {removal}, also after an error or Ctrl-C\n"
        f"It takes at most {bounds.seconds // 60} minutes and {bounds.usd:.2f} USD."
    )


def _do(run: Smoke, number: int, step: Step) -> None:
    run.say(f"{number}/{len(STEPS)} {step.name} …")
    began = time.monotonic()
    try:
        step.do(run)
    finally:
        run.report.times[f"step: {step.name}"] = time.monotonic() - began


def _fill(report: Report, account_id: str) -> None:
    """Say of all other expectations why they were not seen; take the account's id out."""
    why = f"The run ended before: {report.failure}" if report.failure else "No step looks at it."
    for each in EXPECTATIONS:
        if each.name not in report.sightings:
            report.note(Sighting(each.name, Verdict.NOT_SEEN, each.unreachable or why))
    report.failure = report.failure.replace(account_id, _ACCOUNT)
    report.sightings = {
        each.name: replace(found, evidence=found.evidence.replace(account_id, _ACCOUNT))
        for each in EXPECTATIONS
        for found in [report.sightings[each.name]]
    }
