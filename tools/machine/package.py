"""Debian packages that stand for other people's: the same names, files and dependencies, no more.

What they stand for is large, or not ours to ship, and a throw-away machine has no way to it.
"""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from machine.command import call


@dataclass(frozen=True)
class Package:
    """A package: its files (a text, or the bytes of a library), its links, what it depends on."""

    version: str
    files: dict[str, str | bytes] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    depends: tuple[str, ...] = ()


def build(name: str, package: Package, folder: Path) -> Path:
    """Make `name`.deb in `folder`; a file that begins with `#!` may be executed."""
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "tree"
        for path, content in {"DEBIAN/control": _control(name, package), **package.files}.items():
            data = content.encode() if isinstance(content, str) else content
            target = tree / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
            target.chmod(0o755 if data.startswith(b"#!") else 0o644)
        for path, leads_to in package.links.items():
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            (tree / path).symlink_to(leads_to)
        built = folder / f"{name}.deb"
        call("dpkg-deb", "--root-owner-group", "--build", tree, built)
    return built


def repository(packages: Mapping[str, Package], folder: Path) -> None:
    """Make the packages in `folder`, with the index by which apt takes it for a repository."""
    folder.mkdir(parents=True, exist_ok=True)
    entries = []
    for name, package in packages.items():
        built = build(name, package, folder)
        data = built.read_bytes()
        entries.append(
            f"{_control(name, package)}Filename: ./{built.name}\nSize: {len(data)}\n"
            f"SHA256: {hashlib.sha256(data).hexdigest()}\n"
        )
    (folder / "Packages").write_text("\n".join(entries), encoding="utf-8")


def _control(name: str, package: Package) -> str:
    control = (
        f"Package: {name}\nVersion: {package.version}\nArchitecture: all\n"
        "Maintainer: Aistratus\nDescription: stands for another one in tests\n"
    )
    if package.depends:
        control += f"Depends: {', '.join(package.depends)}\n"
    return control
