"""Whose turn a worker's last free slot is."""

import asyncio
from dataclasses import dataclass, field

from aistratus_contracts.lanes import message_group
from aistratus_daemon.worker.fair_share import MAX_LOOKS, FairShare

LANES = 16


@dataclass(frozen=True)
class Message:
    user: str
    lane: int = 0
    receives: int = 1

    @property
    def group(self) -> str:
        return message_group(self.user, self.lane)


@dataclass
class Queue:
    """Gives out what waits, oldest first, and no second message of a lane that is held."""

    waiting: list[Message]
    held: list[Message] = field(default_factory=list)
    looks: int = 0

    async def receive(self) -> Message | None:
        self.looks += 1
        lanes = {message.group for message in self.held}
        for message in self.waiting:
            if message.group not in lanes:
                self.waiting.remove(message)
                self.held.append(message)
                return message
        return None


def flood(user: str, count: int = 10_000) -> list[Message]:
    return [Message(user, number % LANES) for number in range(count)]


def served(share: FairShare, queue: Queue) -> tuple[Message, list[Message]]:
    """What the last free slot is given to, and what was found on the way."""

    async def take() -> tuple[Message, list[Message]]:
        first = await queue.receive()
        assert first is not None
        found = await share.look(first, queue.receive)
        return share.first_of(found), found

    chosen, found = asyncio.run(take())
    share.began(chosen)
    for message in found:
        queue.held.remove(message)
        if message is not chosen:
            queue.waiting.append(message)
    return chosen, found


def test_a_new_user_s_message_is_begun_without_looking_any_further() -> None:
    queue = Queue([Message("a"), Message("b")])
    chosen, found = served(FairShare(), queue)
    assert chosen == Message("a")
    assert found == [chosen]


def test_the_last_slot_goes_to_who_has_none_past_ten_thousand_prompts_of_another() -> None:
    share = FairShare()
    queue = Queue([*flood("loud"), Message("quiet")])
    for lane in range(3):
        share.began(Message("loud", lane))
    chosen, found = served(share, queue)
    assert chosen == Message("quiet")
    assert len(found) == LANES + 1


def test_an_engine_with_one_slot_remembers_whom_it_served_last() -> None:
    share = FairShare()
    queue = Queue([*flood("loud"), Message("quiet")])
    first, _ = served(share, queue)
    assert first.user == "loud"
    share.ended(first)
    second, _ = served(share, queue)
    assert second.user == "quiet"


def test_a_third_user_is_not_starved_by_two_who_take_turns() -> None:
    share = FairShare()
    ours = [message for pair in zip(flood("a"), flood("b"), strict=True) for message in pair]
    queue = Queue([*ours, Message("quiet")])
    order = []
    for _ in range(3):
        message, _ = served(share, queue)
        share.ended(message)
        order.append(message.user)
    assert sorted(order) == ["a", "b", "quiet"]


def test_one_user_alone_gets_every_slot_after_one_empty_look() -> None:
    share = FairShare()
    queue = Queue([Message("only")])
    share.began(Message("only", 1))
    chosen, _ = served(share, queue)
    assert chosen == Message("only")
    assert queue.looks == 2


def test_looking_has_an_end() -> None:
    share = FairShare()
    queue = Queue([Message(f"user-{number}") for number in range(1000)])
    for number in range(1000):
        share.began(Message(f"user-{number}"))
        share.ended(Message(f"user-{number}"))
    queue.waiting = queue.waiting[-200:]
    _, found = served(share, queue)
    assert len(found) == MAX_LOOKS + 1


def test_a_message_that_was_put_back_often_is_begun() -> None:
    """Put back for ever, it would end among the dead letters."""
    share = FairShare(patience=500)
    share.began(Message("loud"))
    assert not share.is_first(Message("loud", receives=499))
    tired = Message("loud", 1, receives=500)
    chosen, found = served(share, Queue([tired, Message("quiet")]))
    assert chosen == tired
    assert found == [tired]


def test_it_counts_what_runs_and_forgets_what_ended() -> None:
    share = FairShare()
    share.began(Message("a"))
    share.began(Message("b"))
    share.began(Message("b", 1))
    assert share.first_of([Message("b", 2), Message("a", 2)]).user == "a"
    share.ended(Message("b"))
    share.ended(Message("b", 1))
    assert share.first_of([Message("a", 2), Message("b", 2)]).user == "b"
