"""The Lambda package behind the API.

One prompt's way through it: `handler` → `app` (routes) → `access` (who asks) → `reading` (what
they say, checked) → `intake` (stored, once) → `dispatch` (sent) → `polling` (read back).
`steward` is the package's second handler. Everything in the table goes through `store`.
"""

from typing import Final

VERSION: Final = "0.1.0"
