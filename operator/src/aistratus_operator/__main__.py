"""`python -m aistratus_operator`, and how make starts `aistratus`: as a file, with `python -S`.

Then this line runs before all others, and Ctrl-C shows no traceback from any import. Until `main`
handles it, and after that, Ctrl-C ends the process without a word.
"""

import signal

if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a background job ignores it
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import site
import sys

if sys.flags.no_site:
    site.main()

from aistratus_operator.program import main

if __name__ == "__main__":
    code = main()
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(code)
