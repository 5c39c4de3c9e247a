"""Who may speak on the engine's socket: a stranger is shown out, and the worker does not notice."""

import os
import socket
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from aistratus_contracts.job import Message
from aistratus_contracts.states import Role
from aistratus_daemon.engine.door import Peer, listen, peer_of
from aistratus_daemon.engine.settings import Peers
from aistratus_daemon.frames import Generate
from support.engine_process import greedy, running_engine

ME, MY_GROUP, OTHER = os.geteuid(), os.getegid(), 54_321
STRANGERS = 200


@pytest.mark.parametrize(
    ("user", "group", "peers", "may"),
    [
        (0, OTHER, Peers.USER, True),
        (ME, OTHER, Peers.USER, True),
        (OTHER, MY_GROUP, Peers.USER, False),
        (OTHER, MY_GROUP, Peers.GROUP, True),
        (OTHER, OTHER, Peers.GROUP, False),
    ],
)
def test_only_the_engines_own_may_speak(user: int, group: int, peers: Peers, may: bool) -> None:
    assert Peer(1, user, group).is_one_of(peers) is may


def test_the_kernel_says_who_is_there() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_of(one) == Peer(os.getpid(), ME, MY_GROUP)


@pytest.mark.parametrize(("peers", "mode"), [(Peers.USER, 0o600), (Peers.GROUP, 0o660)])
def test_the_sockets_mode_lets_in_no_more(tmp_path: Path, peers: Peers, mode: int) -> None:
    path = tmp_path / "engine.sock"
    with listen(path, peers):
        assert stat.S_IMODE(path.stat().st_mode) == mode


@contextmanager
def somebody_else() -> Iterator[None]:
    """As another user."""
    assert ME == 0, "only root can be somebody else; run this test as root, as CI does"
    os.setegid(OTHER)
    os.seteuid(OTHER)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(MY_GROUP)


def intrude(path: Path) -> bytes:
    """Connect as somebody else; returns what is said to them until they are shown out."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as intruder:
        intruder.settimeout(10)
        with somebody_else():
            intruder.connect(str(path))
        try:
            return intruder.recv(1)
        except ConnectionResetError:
            return b""


def test_strangers_are_shown_out_beside_a_running_answer() -> None:
    question = (Message(Role.USER, "Tell me about the whole journey of a prompt."),)
    with tempfile.TemporaryDirectory() as name, running_engine(Path(name)) as engine:
        with engine.link() as link:
            # As if both had been opened by mistake.
            Path(name).chmod(0o711)
            engine.socket_path.chmod(0o666)
            expected = link.ask(Generate("alone", "me/alone", question, greedy())).text
            link.send(Generate("beside", "me/beside", question, greedy()))
            for _ in range(STRANGERS):
                assert intrude(engine.socket_path) == b""
            link.until_end("beside")
            assert link.of("beside").text == expected
        with engine.link() as link:
            assert link.ask(Generate("next", "me/next", question, greedy())).text == expected
        log = (Path(name) / "engine.log").read_text()
        assert log.count("of strangers") == 1
        assert f"user {OTHER}" in log
