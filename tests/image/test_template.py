"""Every variant is one that Packer takes, and what cannot work is refused before it costs."""

import re
from pathlib import Path

import pytest

from housekeeping import ROOT
from support.packer import TEMPLATE, VARIANTS, packer, var_file

pytestmark = pytest.mark.needs("packer")

LATER_THAN_DEBIANS = ("required_plugins", "data \"", "local \"", "regex(", "optional(",
                      "metadata_options", "imds_support", "boot_mode", "deprecate_at")  # fmt: skip
"""What Packer 1.6.6, which is Debian's, does not know."""


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_is_valid(variant: str) -> None:
    done = packer("validate", var_file(variant), str(TEMPLATE))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_is_named_as_its_file(variant: str) -> None:
    text = (TEMPLATE / f"{variant}.pkrvars.hcl").read_text(encoding="utf-8")
    assert re.search(rf'^variant += "{variant}"$', text, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("variable", "words"),
    [
        ('model_facts={"sha256":"abc123"}', "64 hexadecimal digits"),
        ('model_facts={"name":"a.gguf"}', "id, file, url, bytes and sha256"),
        ("distribution=debian11", "debian12, debian13 or ubuntu2404"),
        ("architecture=arm32", "x86_64 or arm64"),
        ("variant=Tiny Llama", "small letters"),
        ("regoin=eu-west-1", "regoin"),
    ],
)
def test_what_cannot_work_is_refused_by_name(variable: str, words: str) -> None:
    done = packer("validate", var_file("cpu"), f"-var={variable}", str(TEMPLATE))
    assert done.returncode != 0
    assert words in " ".join((done.stdout + done.stderr).split())


def test_a_private_build_asks_for_an_instance_profile() -> None:
    private = ("-var=private=true", "-var=subnet_id=subnet-1", "-var=vpc_id=vpc-1")
    without = packer("validate", var_file("cpu"), *private, str(TEMPLATE))
    assert without.returncode != 0
    assert "iam_instance_profile" in without.stdout + without.stderr
    given = packer(
        "validate", var_file("cpu"), *private, "-var=instance_profile=builder", str(TEMPLATE)
    )
    assert given.returncode == 0, given.stdout + given.stderr


@pytest.mark.parametrize("path", sorted(TEMPLATE.glob("*.pkr.hcl")), ids=lambda path: path.name)
def test_the_template_stays_within_what_debians_packer_knows(path: Path) -> None:
    text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
    assert [word for word in LATER_THAN_DEBIANS if word in text] == []


def test_the_files_are_formatted() -> None:
    for folder in (TEMPLATE, ROOT / "packer" / "plugins"):
        done = packer("fmt", "-check", str(folder))
        assert done.returncode == 0, f"packer fmt {folder}: {done.stdout}"


def test_the_plugins_are_named_for_newer_packers() -> None:
    text = (ROOT / "packer" / "plugins" / "plugins.pkr.hcl").read_text(encoding="utf-8")
    assert set(re.findall(r'"github\.com/hashicorp/(\w+)"', text)) == {"amazon", "ansible"}
