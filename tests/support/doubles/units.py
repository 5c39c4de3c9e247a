"""Write units, as DynamoDB bills them on demand.

Each write costs a unit for each 1 KB of the item, begun; an update is billed by the larger of the
item before and after, however little it changes; in a transaction each write costs twice that.
Source: the Developer Guide, "DynamoDB read and write operations".
"""

from collections.abc import Sequence

from support.doubles.dynamodb import Write, size_of

UNIT_BYTES = 1024


def transaction_units(writes: Sequence[Write]) -> int:
    """What a transaction costs."""
    sizes = [max(size_of(item) for item in (w.old, w.new) if item is not None) for w in writes]
    return sum(2 * -(-size // UNIT_BYTES) for size in sizes)
