"""Ansible as the tests of roles and images start it."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

PROGRAMS = Path(sys.executable).parent


def environment(*, by_mitogen: bool) -> dict[str, str]:
    """What Ansible finds in its environment.

    Mitogen keeps one Python for a whole play, where Ansible starts one for each task on either
    side: half the processor time. `make image` has Ansible alone, and one test builds as it does.
    """
    plain = {
        **os.environ,
        "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}",
        "NO_COLOR": "1",
    }
    if not by_mitogen:
        return plain
    spec = find_spec("ansible_mitogen")
    assert spec is not None
    assert spec.origin is not None
    return {
        **plain,
        "ANSIBLE_STRATEGY": "mitogen_linear",
        "ANSIBLE_STRATEGY_PLUGINS": str(Path(spec.origin).parent / "plugins" / "strategy"),
    }
