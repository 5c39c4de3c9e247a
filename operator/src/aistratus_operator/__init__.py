"""The operator's commands: one program, `aistratus`.

    aistratus deploy --env dev

`program` runs a command, `arguments` reads and checks its command line. `cloud` deploys and looks
after what is deployed, `demo` talks to the system on this machine, `redrive` puts dead letters
back in either. The Makefile's targets under "Use" and "On AWS" are aliases of the commands.
"""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[3]
"""The checkout: the commands read its Terraform, and write into its `build`."""
