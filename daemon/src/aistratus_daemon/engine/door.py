"""The engine's door: which peers may use its socket, and which are turned away.

The socket's mode keeps strangers out. The kernel is asked about each peer all the same, because a
mode or a folder may be wider than intended. A thread of its own does nothing else, so a stranger
is turned away at once, whoever is being served and however often strangers connect.
"""

import logging
import os
import queue
import socket
import struct
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aistratus_daemon.engine.settings import Peers

log = logging.getLogger("engine")

# Connections that wait to be accepted; the kernel refuses more.
BACKLOG: Final = 64
# Workers that wait until the one being served has left. There should be none.
MAX_WAITING: Final = 4
# The first stranger is logged at once, later ones together in one line, this often.
REPORT_SECONDS: Final = 60.0
_MODES: Final = {Peers.USER: 0o600, Peers.GROUP: 0o660}
# The kernel's `struct ucred`: process, user, group.
_CREDENTIALS: Final = struct.Struct("iII")


@dataclass(frozen=True, slots=True)
class Peer:
    """The process at the other end, as the kernel noted it on connection."""

    process: int
    user: int
    group: int

    def is_one_of(self, peers: Peers) -> bool:
        """Whether the peer is root, the engine's own user or, if `peers` says so, of its group.

        In a unit with `PrivateUsers=yes` all users but root and the unit's own look the same, even
        the worker's. But the worker's group is the engine's, which stays distinct there.
        """
        is_own = self.user in (0, os.geteuid())
        return is_own or (peers is Peers.GROUP and self.group == os.getegid())


def peer_of(connection: socket.socket) -> Peer:
    """Who is at the other end of a connection."""
    size = _CREDENTIALS.size
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return Peer(*_CREDENTIALS.unpack(raw))


def listen(path: Path, peers: Peers) -> socket.socket:
    """Open the socket; from here on a worker can connect."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    # Nobody can connect before `listen`, whatever the mode was until now.
    path.chmod(_MODES[peers])
    listener.listen(BACKLOG)
    return listener


@dataclass
class Door:
    """Lets workers in, one after the other."""

    listener: socket.socket
    peers: Peers
    _let_in: queue.Queue[socket.socket] = field(default_factory=lambda: queue.Queue(MAX_WAITING))
    _shown_out: int = 0
    _reported_at: float = -REPORT_SECONDS
    _is_closed: bool = False

    def keep(self) -> None:
        """Check each peer that connects, until the door is closed."""
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                if self._is_closed:
                    return
                raise
            peer = peer_of(connection)
            if not peer.is_one_of(self.peers):
                connection.close()
                self._report(peer)
                continue
            try:
                self._let_in.put_nowait(connection)
            except queue.Full:
                connection.close()
                log.error("%d connections already wait; does a second worker run?", MAX_WAITING)

    def next(self) -> socket.socket:
        """Wait for the next worker to serve."""
        return self._let_in.get()

    def close(self) -> None:
        """Let nobody else in."""
        self._is_closed = True
        # Closing alone does not end a waiting `accept`.
        self.listener.shutdown(socket.SHUT_RDWR)

    def _report(self, peer: Peer) -> None:
        self._shown_out += 1
        now = time.monotonic()
        if now - self._reported_at < REPORT_SECONDS:
            return
        log.warning(
            "Closed %d connections of strangers; the last was user %d's, process %d. "
            "Only the worker has business here: see who may enter the socket's folder.",
            self._shown_out,
            peer.user,
            peer.process,
        )
        self._reported_at, self._shown_out = now, 0
