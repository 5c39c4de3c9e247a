"""Six packages of one house: one version, one licence, one Python."""

import json
import tomllib

import pytest

from housekeeping import COMPONENTS, ROOT
from support.tree import package, project


def test_the_versions_agree() -> None:
    assert len({project(component)["version"] for component in COMPONENTS}) == 1


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_package_says_what_it_is(component: str) -> None:
    table = project(component)
    assert table["name"] == f"aistratus-{component}"
    assert table["license"] == "Apache-2.0"
    assert table["requires-python"] == ">=3.11"
    assert table["description"].endswith(".")
    assert (ROOT / component / "src" / package(component) / "py.typed").is_file()


def test_the_api_document_has_the_version_of_the_packages() -> None:
    document = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    assert document["info"]["version"] == project("router")["version"]


def test_the_tools_are_strict() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    assert tools["mypy"]["strict"] is True
    assert tools["ruff"]["lint"]["select"]
    assert "error" in tools["pytest"]["ini_options"]["filterwarnings"]
    for component in COMPONENTS:
        assert {component, f"{component}/src"} & set(tools["mypy"]["files"])


def test_the_licence_is_there() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
