"""Conversations in the table: heads, listed by recency, and turns."""

from collections.abc import Iterator
from typing import Any

from aistratus_contracts import table
from aistratus_contracts.table import ConversationHead, Item, Turn
from aistratus_router.store.table import Table, key_of


class ConversationStore:
    """One user's conversations; another user's are in another partition, so they are not found."""

    def __init__(self, the_table: Table, owner: str) -> None:
        self._table = the_table
        self._partition = table.user_partition(owner)

    def head(self, conversation_id: str) -> ConversationHead | None:
        """A conversation's head."""
        item = self._table.get(self._head_key(conversation_id))
        return None if item is None else table.read_head(item)

    def heads(
        self, limit: int, start: tuple[str, str] | None
    ) -> tuple[list[ConversationHead], bool]:
        """Conversations after `start` (time, id), last used first, and whether more follow."""
        options: dict[str, Any] = {}
        if start is not None:
            listed_at, conversation_id = start
            options["ExclusiveStartKey"] = {
                **self._head_key(conversation_id),
                table.RECENCY_ATTRIBUTE: {"S": listed_at},
            }
        items, more = self._table.page(
            IndexName=table.RECENCY_INDEX,
            ScanIndexForward=False,
            Limit=limit,
            KeyConditionExpression="pk = :pk",
            ExpressionAttributeValues={":pk": {"S": self._partition}},
            **options,
        )
        return [table.read_head(item) for item in items], more

    def turns(self, conversation_id: str, before: int | None) -> tuple[list[Turn], bool]:
        """The newest turns that fit in one Query (1 MB), oldest first; whether earlier ones exist.

        Read backwards, a turn's PROMPT comes before its ANSWER; a turn that the page cuts between
        the two is left to the next page. Both together are below 1 MB, so one turn always fits.
        """
        prefix = table.turns_prefix(conversation_id)
        end = prefix + ("~" if before is None else f"{before:06d}#")
        items, is_cut = self._table.page(
            ScanIndexForward=False,
            KeyConditionExpression="pk = :pk AND sk BETWEEN :first AND :last",
            ExpressionAttributeValues={
                ":pk": {"S": self._partition},
                ":first": {"S": prefix},
                ":last": {"S": end},
            },
        )
        if is_cut and "prompt" in items[-1]:
            items = items[:-1]
        return table.read_turns(items[::-1]), is_cut

    def has_answer(self, conversation_id: str, turn: int) -> bool:
        """Whether a turn's job has ended."""
        key = table.key(self._partition, table.answer_sort_key(conversation_id, turn))
        return self._table.get(key) is not None

    def each_turn(self, conversation_id: str) -> Iterator[Turn]:
        """All turns in order, without their answers; one page (1 MB) is in memory at a time."""
        prefix = table.turns_prefix(conversation_id)
        for item in self._table.query(
            self._partition, prefix, ProjectionExpression="pk, sk, prompt"
        ):
            if "prompt" in item:
                yield from table.read_turns([item])

    def delete_turns(self, conversation_id: str) -> None:
        """Delete all turns."""
        prefix = table.turns_prefix(conversation_id)
        items = self._table.query(self._partition, prefix, ProjectionExpression="pk, sk")
        self._table.delete_all([key_of(item) for item in items])

    def delete_head(self, head: ConversationHead) -> bool:
        """Delete a head; False if a turn was added since it was read."""
        done, _ = self._table.delete(
            self._head_key(head.conversation_id),
            ConditionExpression="turns = :turns",
            ExpressionAttributeValues={":turns": {"N": str(head.turns)}},
        )
        return done

    def _head_key(self, conversation_id: str) -> Item:
        return table.key(self._partition, table.conversation_sort_key(conversation_id))
