"""`make`'s checks before it does anything: variables, arguments, and required programs.

    tools/setup setup dev --for deploy -- deploy dev --region ""

Nothing is installed yet when this runs, so it must need only Python's standard library. The same
holds for our modules that read a command's arguments (`cloud.asked`, `aistratus_local.options`).
"""

import sys

from housekeeping import COMPONENTS, ROOT

# Set-up runs without site-packages, where our own packages would otherwise be found.
sys.path += [str(ROOT / each / "src") for each in COMPONENTS]
