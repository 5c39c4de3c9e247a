"""`make`'s checks before it does anything: variables, arguments, and required programs.

    tools/setup ready deploy -- --env dev

Nothing is installed yet when this runs, so it must need only Python's standard library. The same
holds for our modules that read a command's arguments, such as `aistratus_operator.arguments`.
"""

import sys

from housekeeping import COMPONENTS, ROOT

# Set-up runs without site-packages, where our own packages would otherwise be found.
sys.path += [str(ROOT / each / "src") for each in COMPONENTS]
# The programs of other targets, whose options are read here.
sys.path += [str(ROOT / each) for each in ("bench", "tests", "local/standin/recipe")]
