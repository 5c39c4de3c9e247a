"""The person's conversations, most recent first."""

from dataclasses import dataclass, field

import flet as ft

from aistratus_desktop.gateway import ConversationSummary, GatewayClient, GatewayError
from aistratus_desktop.state.trouble import Trouble, trouble_of


@ft.observable
@dataclass(eq=False)
class History:
    """The list beside the chat; the API stores it, so that every device shows the same."""

    client: GatewayClient
    conversations: list[ConversationSummary] = field(default_factory=list)
    next_cursor: str | None = None
    is_loading: bool = False
    trouble: Trouble | None = None

    async def refresh(self) -> None:
        """Reload the most recent ones."""
        await self._load(None)

    async def more(self) -> None:
        """Load older ones, if there are any."""
        if self.next_cursor is not None and not self.is_loading:
            await self._load(self.next_cursor)

    async def delete(self, conversation_id: str) -> bool:
        """Delete a conversation for good; returns whether that worked."""
        try:
            await self.client.delete_conversation(conversation_id)
        except GatewayError as error:
            self.trouble = trouble_of(error)
            return False
        self.conversations = [
            item for item in self.conversations if item.conversation_id != conversation_id
        ]
        return True

    async def _load(self, cursor: str | None) -> None:
        self.is_loading = True
        try:
            page = await self.client.conversations(cursor=cursor)
        except GatewayError as error:
            self.trouble = trouble_of(error)
            return
        finally:
            self.is_loading = False
        self.trouble = None
        older = list(self.conversations) if cursor else []
        known = {item.conversation_id for item in older}
        self.conversations = older + [
            item for item in page.conversations if item.conversation_id not in known
        ]
        self.next_cursor = page.next_cursor
