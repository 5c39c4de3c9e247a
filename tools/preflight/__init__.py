"""What `make` checks before it does anything: variables, arguments, and the programs it needs.

    tools/setup setup dev --for deploy -- deploy dev --region ""

Nothing is installed yet when this runs, so Python's own library has to be enough: also in the
modules of ours that read what a command is asked to do (`cloud.asked`, `aistratus_local.options`).
"""

import sys

from housekeeping import COMPONENTS, ROOT

# Set-up runs without site-packages, where our own packages are found otherwise.
sys.path += [str(ROOT / each / "src") for each in COMPONENTS]
