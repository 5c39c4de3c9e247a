"""The programs that open a shell on an instance.

Only the standard library: `make` looks for them with this module before it installs anything.
"""

import shutil
from typing import Final

from aistratus_operator.errors import OperatorError

_PAGES: Final = "https://docs.aws.amazon.com"
_PROGRAMS: Final = {
    "aws": (
        "The AWS command line",
        f"{_PAGES}/cli/latest/userguide/getting-started-install.html",
    ),
    "session-manager-plugin": (
        "AWS's session-manager-plugin",
        f"{_PAGES}/systems-manager/latest/userguide/session-manager-working-with-install-plugin.html",
    ),
}


def find_programs() -> str:
    """The path of `aws`; raises an `OperatorError` if it or its plugin is missing."""
    for program, (name, page) in _PROGRAMS.items():
        if shutil.which(program) is None:
            raise OperatorError(
                f"{name} is not installed. Install it ({page}), and put it on the PATH."
            )
    return str(shutil.which("aws"))
