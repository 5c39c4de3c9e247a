"""The steps of a run, each of which notes what it saw."""

import asyncio
import os
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from aistratus_contracts.registry import Parameter
from aistratus_contracts.states import JobState
from aistratus_desktop.gateway import GatewayClient
from aistratus_desktop.signin import ManagedLogin
from aistratus_desktop.tokens import Tokens
from aistratus_operator.cloud.deploy import Options, deploy
from aistratus_operator.cloud.environments import TERRAFORM, read_assignments, read_defaults
from aistratus_operator.cloud.gpu import fleet_of
from aistratus_operator.cloud.images import Image
from aistratus_operator.cloud.progress import tell
from aistratus_operator.cloud.registry import read_all
from aistratus_operator.cloud.smoke import looking
from aistratus_operator.cloud.smoke.expectations import Sighting, Verdict
from aistratus_operator.cloud.smoke.guest import Guest, sign_in, temporary_user
from aistratus_operator.cloud.smoke.journey import Instances, cut, wake
from aistratus_operator.cloud.smoke.report import EXPECTED, Report, sentence
from aistratus_operator.cloud.stack import Stack
from aistratus_operator.errors import OperatorError

# Where AWS itself is elsewhere, so are the API and the login: these say where.
ELSEWHERE: Final = "AWS_ENDPOINT_URL"
API_URL: Final = "AISTRATUS_API_URL"
LOGIN_URL: Final = "AISTRATUS_LOGIN_URL"

WAS_THERE: Final = "The environment was there before, and stays."
LOOK_SECONDS: Final = 2.0
_KNOWN_WITHIN_SECONDS: Final = 120.0


@dataclass
class Smoke:
    """A run: what it acts on, and what it knows by now."""

    stack: Stack
    options: Options
    image: Image
    report: Report
    is_existing: bool
    registry: dict[Parameter, str] = field(default_factory=dict)

    def say(self, line: str) -> None:
        """A line for the person who waits."""
        tell(self.options.out, line)

    @property
    def instances(self) -> Instances:
        """The group's instances."""
        return Instances.of(self.stack.account, self.registry)

    def address(self, parameter: Parameter, variable: str) -> str:
        """An address of what is deployed."""
        if os.environ.get(ELSEWHERE) and os.environ.get(variable):
            return os.environ[variable]
        return self.registry[parameter]


@dataclass(frozen=True, slots=True)
class Step:
    """A part of the run: its name, what it does, in words, and the doing."""

    name: str
    does: str
    do: Callable[[Smoke], None]


@contextmanager
def _or_differs(smoke: Smoke, name: str) -> Iterator[None]:
    """An error of the block shows that something is other than expected."""
    try:
        yield
    except EXPECTED as error:
        smoke.report.see(name, holds=False, evidence=sentence(error))
        raise


def _deploy(smoke: Smoke) -> None:
    if smoke.is_existing:
        smoke.report.note(Sighting("deploys", Verdict.NOT_SEEN, WAS_THERE))
    else:
        began, stack = time.monotonic(), smoke.stack
        with _or_differs(smoke, "deploys"):
            deploy(stack.environment.name, stack.account.region, smoke.options)
        smoke.report.see("deploys", holds=True, evidence=f"In {time.monotonic() - began:.0f} s.")
    smoke.registry = read_all(smoke.stack.account, smoke.stack.environment)
    _await_api(smoke)
    smoke.report.versions |= _versions(smoke.stack)
    smoke.report.note(looking.look_at_image(smoke.stack.account, smoke.image))


def _await_api(smoke: Smoke) -> None:
    """Wait until the API answers: its address is new, too."""
    url, began = f"{smoke.address(Parameter.API_URL, API_URL)}/health", time.monotonic()
    smoke.say(f"Waiting until {url} answers …")
    while True:
        try:
            with urllib.request.urlopen(url, timeout=LOOK_SECONDS):  # noqa: S310  https
                return
        except OSError as error:
            if time.monotonic() - began > _KNOWN_WITHIN_SECONDS:
                gist = " ".join(str(error).split()).rstrip(".")
                raise OperatorError(
                    f"The API does not answer ({gist}). See why in the router's log, "
                    f"/aws/lambda/{smoke.stack.environment.full_name}-router."
                ) from error
        time.sleep(LOOK_SECONDS)


def _journey(smoke: Smoke) -> None:
    pool_id = smoke.registry[Parameter.USER_POOL_ID]
    with temporary_user(smoke.stack.account, pool_id) as guest:
        asyncio.run(_as_guest(smoke, guest))


async def _as_guest(smoke: Smoke, guest: Guest) -> None:
    login_url = smoke.address(Parameter.LOGIN_URL, LOGIN_URL)
    login = ManagedLogin(login_url, smoke.registry[Parameter.CLIENT_ID])
    tokens = Tokens(login)
    try:
        with _or_differs(smoke, "signs-in"):
            tokens.sign_in(await sign_in(login, guest))
        smoke.report.see("signs-in", holds=True, evidence="Through the form of the login's page.")
        api_url = smoke.address(Parameter.API_URL, API_URL)
        async with GatewayClient(api_url, tokens) as client:
            await _wake(smoke, client)
            await _cut(smoke, client)
    finally:
        await tokens.sign_out()
        await login.close()


async def _wake(smoke: Smoke, client: GatewayClient) -> None:
    smoke.say("Asking, with the GPU off …")
    answer, instance_at = await wake(client, smoke.instances, smoke.say)
    times = smoke.report.times
    times["prompt to instance on"] = instance_at - answer.asked_at
    if answer.first_at is not None:
        times["prompt to first token"] = answer.first_at - answer.asked_at
    is_answered = answer.state is JobState.SUCCEEDED and answer.is_whole
    smoke.report.see(
        "wakes",
        holds=is_answered,
        evidence=f"The job {answer.state}, with {answer.tokens} tokens, "
        f"{times.get('prompt to first token', 0):.0f} s to the first.",
    )
    on = await asyncio.to_thread(smoke.instances.in_service)
    rate = int(_variable(smoke, "weights_initialization_rate") or 0)
    smoke.report.note(
        looking.look_at_volume(smoke.stack.account, smoke.image, on[0], rate)
        if on
        else Sighting("rate-without-snapshot", Verdict.NOT_SEEN, "No instance was on any more.")
    )


async def _cut(smoke: Smoke, client: GatewayClient) -> None:
    smoke.say("Taking the instance away in mid-answer …")
    seen = await cut(client, smoke.instances, smoke.say)
    interrupted = [each for each in seen.answers if each.was_interrupted]
    if not interrupted:
        why = "No answer was under way when the instance went; run the same command again."
        for name in ("goes-on", "nothing-lost"):
            smoke.report.note(Sighting(name, Verdict.NOT_SEEN, why))
        return
    times = smoke.report.times
    if seen.successor_at is not None:
        times["instance taken to next one on"] = seen.successor_at - seen.taken_at
    resumed = min(each.resumed_at for each in interrupted if each.resumed_at is not None)
    times["instance taken to text going on"] = resumed - seen.taken_at
    ended = [each for each in interrupted if each.state is JobState.SUCCEEDED]
    smoke.report.see(
        "goes-on",
        holds=len(ended) == len(interrupted),
        evidence=f"{len(ended)} of {len(interrupted)} interrupted answers were finished by the "
        f"next instance, the first after {resumed - seen.taken_at:.0f} s. Auto Scaling ended the "
        "instance, with its hook; a Spot notice was not seen.",
    )
    whole = [each for each in seen.answers if each.is_whole]
    equal = sum(each.text == seen.answers[0].text for each in seen.answers)
    smoke.report.see(
        "nothing-lost",
        holds=len(whole) == len(seen.answers),
        evidence=f"{len(whole)} of {len(seen.answers)} answers have every letter once and all "
        f"their tokens; {equal} are equal, letter by letter, to the first.",
    )


def _tags(smoke: Smoke) -> None:
    on = list(smoke.instances.states())
    smoke.report.note(
        looking.look_at_tags(smoke.stack.account, smoke.stack.environment, smoke.registry, on)
    )


def _stop(smoke: Smoke) -> None:
    began = time.monotonic()
    fleet = fleet_of(smoke.stack.account, smoke.stack.environment)
    fleet.stop()
    while smoke.instances.states():
        time.sleep(LOOK_SECONDS)
    took = time.monotonic() - began
    smoke.report.times["stop to no instance"] = took
    smoke.report.see("turns-off", holds=True, evidence=f"In {took:.0f} s.")
    smoke.report.note(looking.look_at_distribution(smoke.stack.account, fleet))


STEPS: Final = (
    Step("deploy", "deploys it with what this checkout has", _deploy),
    Step("ask", "asks as a temporary user, and takes the instance away in mid-answer", _journey),
    Step("tags", "looks whether all that costs money has the bill's tags", _tags),
    Step("stop", "turns the GPU off", _stop),
)


def _versions(stack: Stack) -> dict[str, str]:
    stack.init()
    said = stack.terraform.json("version", "-json")
    providers = said.get("provider_selections", {})
    return {
        "Terraform": str(said.get("terraform_version", "")),
        "AWS provider": ", ".join(str(each) for each in providers.values()),
        "instance types": ", ".join(stack.environment.instance_types),
    }


def _variable(smoke: Smoke, name: str) -> Any:
    """A Terraform variable's value in this environment."""
    defaults = read_defaults(TERRAFORM / "variables.tf")
    return (defaults | read_assignments(smoke.stack.environment.variables_file)).get(name)
