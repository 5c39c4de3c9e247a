"""The whole way from a base to a registered image, and no image where something is wrong."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from machine.kernel import NEWER
from support.foundry import BUILD_SECONDS, Foundry, running_foundry

pytestmark = [
    pytest.mark.needs(
        "packer", "systemd-nspawn", "mmdebstrap", "ip", "ssh", "libsystemd-dev", "pkg-config"
    ),
    pytest.mark.timeout(BUILD_SECONDS + 60),
]

SPOILT = Path(__file__).with_name("spoilt.yml")
"""Wrong weights, a key that was left, a unit that does not start."""


@pytest.fixture(scope="module")
def foundry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Foundry]:
    with running_foundry(tmp_path_factory.mktemp("foundry")) as running:
        yield running


def test_a_build_registers_an_image_and_says_what_it_holds(
    foundry: Foundry, tmp_path: Path
) -> None:
    built = foundry.build("image-whole", tmp_path / "image")
    assert built.done.returncode == 0, built.said[-6000:]

    (entry,) = built.manifest["builds"]
    region, image = entry["artifact_id"].split(":")
    (registered,) = foundry.ec2.describe_images(ImageIds=[image])["Images"]
    assert (region, registered["Name"]) == ("eu-central-1", entry["custom_data"]["name"])
    tags = {tag["Key"]: tag["Value"] for tag in registered["Tags"]}
    assert tags["aistratus:part"] == "worker-image"
    assert tags["aistratus:revision"] == entry["custom_data"]["git_revision"] == "0123456789abcdef"

    report = json.loads((built.folder / "report.json").read_text("utf-8"))
    assert report["system"]["kernel"] == NEWER
    assert report["model"]["sha256"] == entry["custom_data"]["model_sha256"]
    packages = report["services"]["packages"]
    assert packages["llama-cpp-python"] == entry["custom_data"]["llama_cpp"]
    assert report["model"]["sha256"] in (built.folder / "report.md").read_text("utf-8")


def test_a_spoilt_image_is_never_registered_and_all_that_is_wrong_is_told(
    foundry: Foundry, tmp_path: Path
) -> None:
    before = foundry.images()
    built = foundry.build("image-spoilt", tmp_path / "image", extra_playbook=str(SPOILT))
    assert built.done.returncode != 0
    said = " ".join(built.said.replace("worker.amazon-ebs.worker:", "").split())
    last = said.rpartition("This machine is not what was asked for.")[2]
    assert "/var/lib/aistratus/models/aistratus-standin.gguf has the SHA-256" in last
    assert "Left on this machine: /opt/deploy_key." in last
    assert "should start with the machine, and are enabled, disabled, enabled" in last
    assert foundry.images() == before
    assert not (built.folder / "manifest.json").exists()
