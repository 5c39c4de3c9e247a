"""The code in terraform/, for tests that read it as text."""

from housekeeping import ROOT
from support.tree import tracked

TERRAFORM = ROOT / "terraform"


def code() -> dict[str, str]:
    """Every Terraform file that git tracks: its path in terraform/, and its text."""
    return {
        path.relative_to(TERRAFORM).as_posix(): path.read_text(encoding="utf-8")
        for path in tracked()
        if path.suffix == ".tf" and TERRAFORM in path.parents
    }
