"""`python -m aistratus_operator`, and how make starts `aistratus`: as a file, with `python -S`.

Then these lines run before all imports. Until `main` handles Ctrl-C, and after it, Ctrl-C ends the
process without a word. Even earlier, while Python itself starts, its traceback goes nowhere: make
gives this process its standard error under another number, and says which.
"""

import _signal  # type: ignore[import-not-found]  # built in: `signal` itself imports for long
import os

if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:  # a background job ignores it
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
if number := os.environ.pop("AISTRATUS_STDERR", ""):
    os.dup2(int(number), 2)
    os.close(int(number))

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
