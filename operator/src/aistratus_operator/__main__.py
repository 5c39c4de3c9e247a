"""`python -m aistratus_operator`, and how make starts `aistratus`: as a file, with `python -S`.

Then this line runs before all others, and Ctrl-C shows no traceback from any import. Until `main`
handles it, and after that, Ctrl-C ends the process without a word.
"""

import _signal  # type: ignore[import-not-found]  # built in: `signal` itself imports for long

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # a background job ignores it
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

import site
import sys

if sys.flags.no_site:
    site.main()

from aistratus_operator.program import main

if __name__ == "__main__":
    code = main()
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    sys.exit(code)
