"""What EC2's base images hold once they have booted, and a minimal Debian root does not.

The packages that leave it are those of Debian's and Ubuntu's cloud images: `cloud-init` and
`unattended-upgrades`. An image that is baked from such a machine must have none of it.
"""

from pathlib import Path
from typing import Final

_INSTANCE: Final = "i-0123456789abcdef0"

_FILES: Final = {
    "var/log/cloud-init.log": "util.py[DEBUG]: Cloud-init v. 22.4.2 running 'init-local'\n",
    "var/log/cloud-init-output.log": "Cloud-init v. 22.4.2 finished\n",
    "var/log/unattended-upgrades/unattended-upgrades.log": "INFO Starting unattended upgrades\n",
    f"var/lib/cloud/instances/{_INSTANCE}/user-data.txt": "",
    f"var/lib/cloud/instances/{_INSTANCE}/boot-finished": "Up 9.30 seconds\n",
    f"var/lib/cloud/instances/{_INSTANCE}/sem/config_ssh": "",
    "var/lib/cloud/data/instance-id": f"{_INSTANCE}\n",
}


def leave_traces(root: Path) -> None:
    """Write into a machine's root what these packages leave at a first boot."""
    for name, text in _FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (root / "var/lib/cloud/instance").symlink_to(f"instances/{_INSTANCE}")
