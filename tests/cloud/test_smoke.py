"""The smoke test, to the letter, on the emulator: what it shows, what it costs, what it leaves."""

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest

from aistratus_contracts.models import ModelCard
from aistratus_local.choices import STANDIN
from aistratus_local.console import Console
from aistratus_local.models import local_model
from aistratus_operator import ROOT
from aistratus_operator.cloud.aws import sign_in
from aistratus_operator.cloud.deploy import Options, deploy
from aistratus_operator.cloud.destroy import destroy
from aistratus_operator.cloud.environments import load
from aistratus_operator.cloud.predictions import PREDICTIONS
from aistratus_operator.cloud.smoke import page
from aistratus_operator.cloud.smoke.bounds import LIMIT_USD, bounds_of
from aistratus_operator.cloud.smoke.expectations import JOURNEY, NAMES, Sighting, Verdict
from aistratus_operator.cloud.smoke.questions import has_shape
from aistratus_operator.cloud.smoke.report import Report
from aistratus_operator.cloud.smoke.run import smoke
from aistratus_operator.errors import OperatorError
from support.cloud_account import Quotas, make_image, refusal
from support.emulator_process import aws_environment, client, running_emulator_process
from support.inventory import Inventory, beyond, inventory
from support.living_cloud import living_cloud

REGION: Final = "eu-central-1"
# What a run on the emulator sees: the journey, and that a group keeps what an update leaves out,
# which the emulator does by AWS' service model. What it cannot tell is not seen.
SEEN: Final = {each.name for each in JOURNEY} | {"distribution-alone"}


@pytest.fixture(scope="module")
def own_emulator() -> Iterator[str]:
    with running_emulator_process() as url:
        yield url


@pytest.fixture(scope="module")
def model() -> ModelCard:
    return local_model(STANDIN, Console()).card


@pytest.fixture
def cloud(
    own_emulator: str, quotas: Quotas, model: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> str:
    """AWS is the emulator, for this process and those that it starts."""
    for name, value in aws_environment(own_emulator).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SERVICE_QUOTAS", quotas.url)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    # What the image has, in place of TinyLlama.
    monkeypatch.setenv("TF_VAR_models", json.dumps([asdict(model)]))
    return own_emulator


@contextmanager
def running(
    image_id: str, report: Path, *more: str, **environment: str
) -> Iterator[subprocess.Popen[str]]:
    """The command, in a session of its own."""
    words = ["smoke", "--env", "dev", "--image-id", image_id, "--yes", "--json", *more]
    with subprocess.Popen(
        [sys.executable, "-m", "aistratus_operator", *words, "--report", str(report)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process


def there(url: str) -> Inventory:
    return inventory(lambda service: client(service, url))


def left(url: str, before: Inventory) -> Inventory:
    """What there is more than before, apart from the bootstrap's."""
    return beyond(there(url), before)


@pytest.mark.needs("terraform")
@pytest.mark.timeout(1200)
def test_a_whole_run(cloud: str, model: ModelCard, tmp_path: Path) -> None:
    account = sign_in(REGION)
    image_id = make_image(account, gpu="true")
    before, written = there(cloud), tmp_path / "seen.md"
    with (
        living_cloud(cloud, "dev", model, tmp_path) as alive,
        running(image_id, written, **alive.addresses) as process,
    ):
        shown, said = process.communicate(timeout=1100)
    assert shown, said
    assert left(cloud, before) == {}
    report = json.loads(shown)
    verdicts = {name: each["verdict"] for name, each in report["sightings"].items()}
    assert report["failure"] == "", said
    assert tuple(verdicts) == NAMES
    assert {name for name, verdict in verdicts.items() if verdict == "seen"} == SEEN, shown
    assert "differs" not in verdicts.values()
    assert process.returncode == 0

    # The instance that was taken away drained; another one came, and went when it was turned off.
    assert len(alive.hosted) == 2
    assert alive.drained == alive.hosted
    assert alive.refused == [], "with the rights of the roles alone"
    evidence = report["sightings"]["goes-on"]["evidence"]
    assert re.match(r"([1-9]\d*) of \1 interrupted answers were finished", evidence)

    # It says before what it will do and take, how far it is, and how long each part took.
    assert "It takes at most 15 minutes and 0.73 USD." in said
    assert [line for line in said.splitlines() if re.match("[1-4]/4 ", line)] == [
        "1/4 deploy …",
        "2/4 ask …",
        "3/4 tags …",
        "4/4 stop …",
    ]
    assert {"prompt to first token", "instance taken to text going on", "removal"} <= report[
        "times"
    ].keys()

    # The page is the same, and names neither the account nor a password.
    text = written.read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE) == list(NAMES)
    assert "on an emulated AWS, in eu-central-1. Terraform 1." in text
    for each in (text, shown):
        assert account.id not in each


@pytest.mark.needs("terraform")
@pytest.mark.timeout(1200)
def test_ctrl_c_removes_everything(cloud: str, tmp_path: Path) -> None:
    account = sign_in(REGION)
    image_id = make_image(account, gpu="true")
    before = there(cloud)
    # Nobody plays the API, so that it waits for it.
    nowhere = {"AISTRATUS_API_URL": "http://127.0.0.1:9"}
    with running(image_id, tmp_path / "seen.md", **nowhere) as process:
        assert process.stderr is not None
        before_it = []
        for line in process.stderr:
            before_it.append(line)
            if line.startswith("Waiting until "):
                os.killpg(process.pid, signal.SIGINT)
                break
        else:
            pytest.fail("".join(before_it))
        shown, said = process.communicate(timeout=600)
    assert process.returncode == 1
    assert "Traceback" not in said
    assert "The run did not come to its end: It was stopped with Ctrl-C." in said
    report = json.loads(shown)
    assert report["sightings"]["deploys"]["verdict"] == "seen"
    assert report["sightings"]["wakes"]["evidence"].startswith("The run ended before: ")
    assert report["sightings"]["nothing-left"]["verdict"] == "seen"
    assert left(cloud, before) == {}


@pytest.mark.needs("terraform")
@pytest.mark.timeout(1200)
def test_an_environment_that_is_there_can_be_tested_and_stays(
    cloud: str, model: ModelCard, tmp_path: Path
) -> None:
    account = sign_in(REGION)
    image_id = make_image(account, gpu="true")
    before = there(cloud)
    options = Options(image_id=image_id, env_file=tmp_path / ".env_public", out=io.StringIO())
    deploy("dev", REGION, options)
    try:
        deployed = there(cloud)
        with (
            living_cloud(cloud, "dev", model, tmp_path) as alive,
            running(image_id, tmp_path / "seen.md", "--existing", **alive.addresses) as process,
        ):
            shown, said = process.communicate(timeout=600)
        assert shown, said
        report = json.loads(shown)
        verdicts = {name: each["verdict"] for name, each in report["sightings"].items()}
        assert (report["failure"], report["left"]) == ("", []), said
        seen = SEEN - {"deploys", "nothing-left"}
        assert {name for name, verdict in verdicts.items() if verdict == "seen"} == seen, shown
        assert report["sightings"]["nothing-left"]["evidence"].endswith("and stays.")
        assert left(cloud, deployed) == {}, "the temporary user's things are gone"
        assert deployed.keys() - there(cloud).keys() == set(), "what was there is there"
    finally:
        destroy("dev", REGION, options)
    assert left(cloud, before) == {}


# --- before it begins ---------------------------------------------------------------------------


@pytest.mark.needs("terraform")
def test_an_environment_that_is_there_is_left_alone(cloud: str) -> None:
    ssm = client("ssm", cloud)
    ssm.put_parameter(Name="/aistratus/dev/models", Value="[]", Type="String")
    try:
        said = refusal(lambda: smoke("dev", REGION))
        assert said.startswith("dev is deployed in eu-central-1, and the test would remove it.")
        assert 'make smoke ENV=dev ARGS="--existing"' in said
    finally:
        ssm.delete_parameter(Name="/aistratus/dev/models")


@pytest.mark.needs("terraform")
def test_what_is_not_there_cannot_stay(cloud: str) -> None:
    said = refusal(lambda: smoke("dev", "eu-north-1", is_existing=True))
    assert said.startswith("dev is not deployed in eu-north-1")


@pytest.mark.needs("terraform")
def test_a_protected_environment_is_refused(cloud: str) -> None:
    assert "prod is protected from deletion" in refusal(lambda: smoke("prod", REGION))


@pytest.mark.needs("terraform")
def test_another_word_than_the_name_makes_nothing(cloud: str) -> None:
    image_id = make_image(sign_in(REGION))
    before = there(cloud)
    with pytest.raises(OperatorError, match=r"^Nothing was made: that was not dev\.$"):
        smoke("dev", REGION, Options(image_id=image_id), confirm=lambda _: "yes")
    assert there(cloud) == before


def test_it_takes_no_more_than_a_dollar() -> None:
    dev = load("dev", REGION)
    assert bounds_of(dev).usd <= LIMIT_USD
    large = replace(dev, instance_types=("g6e.xlarge",))
    assert "The price of g6e.xlarge is not known" in refusal(lambda: bounds_of(large))


def test_in_a_script_it_wants_to_be_told() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "aistratus_operator", "smoke", "--env", "dev"],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == 2
    assert said.endswith("confirm with: make smoke ENV=dev YES=1\n")


# --- what it writes -----------------------------------------------------------------------------


def test_a_lost_or_repeated_letter_shows() -> None:
    whole = ("a" * 40 + "\n") * 60
    assert has_shape(whole, is_cut=False)
    for broken in (whole[1:], whole[41:], f"a{whole}", f"{whole}a", whole[:-1]):
        assert not has_shape(broken, is_cut=False)
    assert has_shape(whole[:100], is_cut=True)
    assert not has_shape(whole[1:100], is_cut=True)


def test_each_prediction_is_a_check_and_stands_on_the_page() -> None:
    assert (*(each.name for each in JOURNEY), *(each.name for each in PREDICTIONS)) == NAMES
    text = (ROOT / "docs" / "seen.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE) == list(NAMES)
    if "No run on a real account yet." in text:
        assert text == page.unseen(), "write it again, with page.unseen()"


def test_only_a_whole_run_on_aws_goes_into_the_docs() -> None:
    report = Report("dev", REGION, datetime(2026, 12, 1, tzinfo=UTC), is_emulated=False)
    report.note(Sighting("wakes", Verdict.SEEN, "In 1 s | so."))
    assert page.default_path(report) == ROOT / "docs" / "seen.md"
    assert "On 2026-12-01, on AWS, in eu-central-1." in page.page(report)
    assert "In 1 s / so." in page.page(report)
    assert page.default_path(replace(report, failure="No.")) == ROOT / "build" / "seen.md"
    assert page.default_path(replace(report, is_emulated=True)) == ROOT / "build" / "seen.md"
    assert report.is_good
    report.see("wakes", holds=False, evidence="No.")
    assert not report.is_good
