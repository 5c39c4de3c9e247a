"""Makes a Debian package that stands for Amazon's agent for Session Manager, in its bucket's place.

python3 stand_in_agent.py FOLDER    prints its SHA-256
"""

import hashlib
import sys
from pathlib import Path

from machine.package import Package, build

VERSION = "3.3.1611.0"
UNIT = """[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""


def make(folder: Path) -> str:
    """The package below `folder`; returns its SHA-256."""
    place = folder / VERSION / "debian_amd64"
    place.mkdir(parents=True)
    package = Package(f"{VERSION}-1", {"lib/systemd/system/amazon-ssm-agent.service": UNIT})
    return hashlib.sha256(build("amazon-ssm-agent", package, place).read_bytes()).hexdigest()


if __name__ == "__main__":
    sys.stdout.write(make(Path(sys.argv[1])))
