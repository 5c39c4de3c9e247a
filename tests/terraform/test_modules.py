"""Terraform's code is in form, and each module does and refuses what its own tests say."""

import re
from pathlib import Path

import pytest

from aistratus_operator.cloud.terraform import LOCK_FILE, Terraform, TerraformFailed
from support.terraform_folders import FOLDERS, MODULES, ROOTS, check, copied
from support.tree import tracked
from terraform_pages.page import TERRAFORM, page
from terraform_pages.reader import blocks

VERSIONS = """\
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7"
"""


@pytest.mark.needs("terraform")
def test_the_code_is_formatted() -> None:
    done = Terraform(TERRAFORM).run("fmt", "-check", "-diff", "-recursive", accept=(0, 3))
    assert done.output == ""


@pytest.mark.needs("terraform")
@pytest.mark.parametrize("tested", FOLDERS)
def test_a_folder_passes_its_own_tests(tested: str, tmp_path: Path) -> None:
    try:
        output = check(copied(tmp_path / "terraform"), tested).output
    except TerraformFailed as error:
        pytest.fail(error.output, pytrace=False)
    assert re.search(r"^Success! [1-9]\d* passed, 0 failed\.$", output, re.MULTILINE), output


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_folder_is_laid_out_like_the_others(folder: str) -> None:
    files = {"main.tf", "outputs.tf", "README.md", "variables.tf", "versions.tf"}
    assert files <= {path.name for path in (TERRAFORM / folder).iterdir()}
    assert list((TERRAFORM / folder / "tests").glob("*.tftest.hcl"))


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_variable_and_output_is_described_and_typed(folder: str) -> None:
    variables = blocks(TERRAFORM / folder / "variables.tf", "variable")
    outputs = blocks(TERRAFORM / folder / "outputs.tf", "output")
    silent = [each.name for each in [*variables, *outputs] if not each.text("description")]
    untyped = [each.name for each in variables if "type" not in each.attributes]
    assert (silent, untyped) == ([], [])


@pytest.mark.parametrize("folder", FOLDERS)
def test_what_a_variable_refuses_is_tried(folder: str) -> None:
    tried = "".join(
        path.read_text("utf-8") for path in (TERRAFORM / folder / "tests").glob("*.tftest.hcl")
    )
    refused = set(re.findall(r"\bvar\.(\w+)", "".join(re.findall(r"expect_failures = .*", tried))))
    variables = blocks(TERRAFORM / folder / "variables.tf", "variable")
    assert {each.name for each in variables if "validation" in each.nested} - refused == set()


@pytest.mark.parametrize("folder", FOLDERS)
def test_aws_is_the_only_provider(folder: str) -> None:
    text = (TERRAFORM / folder / "versions.tf").read_text("utf-8")
    assert VERSIONS in text
    assert text.count("source") == 1


@pytest.mark.parametrize("folder", MODULES)
def test_a_module_leaves_the_provider_to_the_composition(folder: str) -> None:
    for path in (TERRAFORM / folder).glob("*.tf"):
        assert not re.search(r"^(provider|  backend) ", path.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("folder", MODULES)
def test_a_default_that_the_composition_has_is_not_said_again(folder: str) -> None:
    composed = blocks(TERRAFORM / "variables.tf", "variable")
    defaults = {each.name for each in composed if "default" in each.attributes}
    main = (TERRAFORM / "main.tf").read_text("utf-8")
    call = re.search(rf'source += "\./{folder}"\n(.*?)^\}}', main, re.MULTILINE | re.DOTALL)
    assert call
    handed_on = re.findall(r"^  (\w+) += (?:var|local)\.(\w+)$", call[1], re.MULTILINE)
    passed = {name for name, source in handed_on if source in defaults}
    own = blocks(TERRAFORM / folder / "variables.tf", "variable")
    assert [each.name for each in own if each.name in passed and "default" in each.attributes] == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_page_is_as_the_code(folder: str) -> None:
    readme = TERRAFORM / folder / "README.md"
    assert readme.is_file(), "make terraform-pages writes it"
    assert readme.read_text("utf-8") == page(TERRAFORM / folder), "make terraform-pages writes it"


def test_nothing_that_terraform_leaves_is_committed() -> None:
    left = re.compile(r"\.terraform|\.tfstate|\.tfplan")
    locks = {TERRAFORM / root / LOCK_FILE for root in ROOTS}
    assert {path for path in tracked() if left.search(path.name)} - locks == set()
