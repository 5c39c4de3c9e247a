"""Packer, as `make image` starts it: with Ansible on the path, and without using the network."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from housekeeping import ROOT

TEMPLATE = ROOT / "packer" / "worker"
VARIANTS = sorted(path.name.split(".")[0] for path in TEMPLATE.glob("*.pkrvars.hcl"))


def packer(
    *arguments: str, more: Mapping[str, str] | None = None, seconds: float = 60
) -> subprocess.CompletedProcess[str]:
    """One command, run from the top of the tree."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "CHECKPOINT_DISABLE": "1",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "PACKER_NO_COLOR": "1",
        **(more or {}),
    }
    return subprocess.run(
        ["packer", *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


def var_file(variant: str) -> str:
    """The argument that picks a variant."""
    return f"-var-file={TEMPLATE / variant}.pkrvars.hcl"
