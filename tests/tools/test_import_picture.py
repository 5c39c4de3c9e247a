"""The picture of a package's imports shows what is imported, and which way."""

from pathlib import Path

import pytest

import import_picture


@pytest.fixture
def package(tmp_path: Path) -> Path:
    sources = {
        "__init__.py": "",
        "base.py": "import json",
        "store/__init__.py": "",
        "store/table.py": "from house.base import X",
        "api/__init__.py": "",
        "api/app.py": "from house.store import table\nfrom house.api.routes import Y",
        "api/routes.py": "if TYPE_CHECKING:\n    from house.api.app import App",
        "command.py": "def run():\n    from house.api.app import App",
    }
    for name, text in sources.items():
        (tmp_path / "house" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "house" / name).write_text(text, encoding="utf-8")
    return tmp_path / "house"


def test_imports_within_the_package_are_read_even_late_ones(package: Path) -> None:
    assert import_picture.read(package) == {
        "base": set(),
        "store.table": {"base"},
        "api.app": {"store.table", "api.routes"},
        "api.routes": set(),
        "command": {"api.app"},
    }


def test_each_room_stands_above_those_it_imports(package: Path) -> None:
    edges = import_picture.read(package)
    assert import_picture.depths({"api": {"store"}, "store": {"base"}, "base": set()}) == {
        "api": 2,
        "store": 1,
        "base": 0,
    }
    assert import_picture.rooms_of(edges)["command"] == import_picture.ON_TOP
    assert import_picture.rooms_of(edges)["base"] == import_picture.ALONE


def test_a_circle_ends() -> None:
    assert import_picture.depths({"a": {"b"}, "b": {"a"}}).keys() == {"a", "b"}


def test_the_picture_names_rooms_and_modules(package: Path, tmp_path: Path) -> None:
    assert import_picture.main([str(package), str(tmp_path / "house.svg"), "A house"]) == 0
    drawn = (tmp_path / "house.svg").read_text(encoding="utf-8")
    assert all(word in drawn for word in ("A house", "store", "api", "table", "routes"))


def test_a_wrong_call_is_told_how(capsys: pytest.CaptureFixture[str]) -> None:
    assert import_picture.main([]) == 2
    assert "PACKAGE_FOLDER" in capsys.readouterr().err
