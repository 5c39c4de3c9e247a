"""What EC2's base images hold once they have booted, and a minimal Debian root does not.

An image that is baked from such a machine must have none of it. The packages that leave it are
those of Debian's and Ubuntu's cloud images. They are not installed here: cloud-init and fwupd with
what they need would double the root and the time of each boot, and on EC2 they do their work
before a build begins.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

_INSTANCE: Final = "i-0123456789abcdef0"
_MAC: Final = "06:1a:2b:3c:4d:5e"
# Not a key, but what the beginning of one looks like to a search for keys.
_KEY: Final = "-----BEGIN RSA " + "PRIVATE KEY-----\nstands for a key\n"

# Debian's images for EC2 have the first three, a `private` build adds the agent; Ubuntu's images
# have all.
LEFT_BY: Final[Mapping[str, Mapping[str, str]]] = {
    "cloud-init": {
        "var/log/cloud-init.log": "util.py[DEBUG]: Cloud-init v. 22.4.2 running 'init-local'\n",
        "var/log/cloud-init-output.log": "Cloud-init v. 22.4.2 finished\n",
        f"var/lib/cloud/instances/{_INSTANCE}/user-data.txt": "",
        f"var/lib/cloud/instances/{_INSTANCE}/boot-finished": "Up 9.30 seconds\n",
        f"var/lib/cloud/instances/{_INSTANCE}/sem/config_ssh": "",
        "var/lib/cloud/data/instance-id": f"{_INSTANCE}\n",
        # By its renderers for netplan, ifupdown and systemd-networkd.
        "etc/netplan/50-cloud-init.yaml": f"network: {{ethernets: {{ens5: {{match: {{macaddress: "
        f"'{_MAC}'}}, dhcp4: true, set-name: ens5}}}}, version: 2}}\n",
        "etc/network/interfaces.d/50-cloud-init": "auto ens5\niface ens5 inet dhcp\n",
        "etc/systemd/network/10-cloud-init-ens5.network": f"[Match]\nMACAddress={_MAC}\n",
    },
    "unattended-upgrades": {
        "var/log/unattended-upgrades/unattended-upgrades.log": "INFO Starting\n",
    },
    "isc-dhcp-client": {
        "var/lib/dhcp/dhclient.ens5.leases": 'lease {\n  interface "ens5";\n}\n',
    },
    "amazon-ssm-agent": {
        "var/lib/amazon/ssm/Vault/Store/EC2RegistrationKey": '{"privateKey": "stands for a key"}\n',
        "var/log/amazon/ssm/amazon-ssm-agent.log": f"INFO using identity {_INSTANCE}\n",
    },
    "fwupd": {
        "var/lib/fwupd/pki/secret.key": _KEY,
        "var/lib/fwupd/pki/client.pem": "stands for a certificate\n",
    },
}
"""Files by the package that leaves them, below the root."""


def leave_traces(root: Path) -> None:
    """Write into a machine's root what these packages leave at a first boot."""
    for files in LEFT_BY.values():
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    (root / "var/lib/cloud/instance").symlink_to(f"instances/{_INSTANCE}")
