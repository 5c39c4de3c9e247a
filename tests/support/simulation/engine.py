"""The engine's end of the socket, with the real frames: it answers, dies, hangs and comes back."""

from dataclasses import dataclass, field

from aistratus_contracts.errors import NoticeCode
from aistratus_contracts.event import Notice, Usage
from aistratus_contracts.states import FinishReason
from aistratus_daemon.frames import (
    Cancel,
    Done,
    Frame,
    Generate,
    JobNotice,
    NewTokens,
    Probe,
    Ready,
    Tokens,
    Unknown,
    decode_frame,
    encode_frame,
)
from support.simulation.loop import Listener, PipeTransport
from support.simulation.model import answer_to, fatal_token, has_notice, token_of
from support.simulation.world import Process, World

START_SECONDS = (0.3, 3.0)
STEP_SECONDS = (0.05, 0.6)
# systemd's watchdog: an engine that computes nothing for this long is killed.
WATCHDOG_SECONDS = 10.0


@dataclass
class _Sequence:
    request: Generate
    answer: str
    position: int
    is_prefilled: bool = False


@dataclass
class SimulatedEngine:
    """One engine, and systemd, which restarts it."""

    world: World
    path: str
    listeners: dict[str, Listener]
    slots: int
    # By job: how often the engine died of its prompt, and of something else while it had the job.
    killed_by: dict[str, int] = field(default_factory=dict)
    outside_kills: dict[str, int] = field(default_factory=dict)
    requests: dict[str, Generate] = field(default_factory=dict)
    is_hung: bool = False
    _process: Process | None = None
    _transport: PipeTransport | None = None
    _sequences: dict[str, _Sequence] = field(default_factory=dict)
    _buffer: bytes = b""
    _is_stepping: bool = False

    def __post_init__(self) -> None:
        self._start()

    @property
    def is_alive(self) -> bool:
        return self._process is not None

    def jobs_inside(self) -> set[str]:
        """The jobs that were sent to it and have not ended."""
        return {_job_id(name) for name in self._sequences}

    def kill(self, reason: str) -> None:
        """Kill it from outside: no job is to blame."""
        for job_id in self.jobs_inside():
            self.outside_kills[job_id] = self.outside_kills.get(job_id, 0) + 1
        self._die(reason)

    def _die(self, reason: str) -> None:
        """Take the socket away, and start a new engine soon."""
        if self._process is None:
            return
        self.world.tell(f"{self.path}: dies: {reason}")
        self._process.kill()
        self._process = None
        del self.listeners[self.path]
        if self._transport is not None:
            is_reset = self.world.random.random() < 0.5
            self._transport.hang_up(ConnectionResetError(104, "reset") if is_reset else None)
        self._forget_connection()
        self.world.after(self.world.random.uniform(*START_SECONDS), self._start)

    def hang(self) -> None:
        """Compute nothing more, until the watchdog kills it."""
        if self._process is not None and not self.is_hung:
            self.world.tell(f"{self.path}: hangs")
            self.is_hung = True
            self.world.after(WATCHDOG_SECONDS, lambda: self.kill("watchdog"), self._process)

    def connect(self, transport: PipeTransport) -> None:
        """Accept a worker."""
        self._forget_connection()
        self._transport = transport
        transport.on_data = lambda data: self._take(transport, data)
        transport.on_close = lambda: self._close(transport)
        self._send(Ready(self.slots, 1024))

    def _start(self) -> None:
        self._process = Process(self.world, self.path)
        self.is_hung = False
        self._is_stepping = False
        self.listeners[self.path] = self

    def _forget_connection(self) -> None:
        self._transport = None
        self._sequences.clear()
        self._buffer = b""

    def _close(self, transport: PipeTransport) -> None:
        if transport is self._transport:
            self._forget_connection()

    def _take(self, transport: PipeTransport, data: bytes) -> None:
        if transport is not self._transport:
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            match decode_frame(line):
                case Generate() as request:
                    self._generate(request)
                case Cancel(name):
                    if (sequence := self._sequences.get(name)) is not None:
                        self._end(sequence, FinishReason.CANCELLED)
                case Probe(name):
                    if name not in self._sequences:
                        self._send(Unknown(name))
                case frame:
                    self.world.violated(f"The worker sent {frame}.")

    def _generate(self, request: Generate) -> None:
        answer = answer_to(request.messages)
        if request.job_id in self._sequences:
            self.world.violated(f"{request.job_id} is asked for twice at once.")
        if list(request.committed) != [token_of(c) for c in answer[: len(request.committed)]]:
            self.world.violated(f"{request.job_id} goes on from what was not its answer.")
        before = self.requests.setdefault(_job_id(request.job_id), request)
        if before.messages != request.messages:
            self.world.violated(f"{request.job_id} comes with other messages than before.")
        sequence = _Sequence(request, answer, len(request.committed))
        self._sequences[request.job_id] = sequence
        if has_notice(request.messages):
            self._send(JobNotice(request.job_id, Notice(NoticeCode.TURNS_LEFT_OUT, "Some.")))
        self._step_soon()

    def _step_soon(self) -> None:
        if not self._is_stepping and self._sequences and self._process is not None:
            self._is_stepping = True
            pause = self.world.random.uniform(*STEP_SECONDS)
            self.world.after(pause, self._step, self._process)

    def _step(self) -> None:
        """A token for every running answer, or its prompt."""
        self._is_stepping = False
        if self.is_hung:
            return
        items, ended = [], []
        for name, sequence in list(self._sequences.items())[: self.slots]:
            if not sequence.is_prefilled:
                sequence.is_prefilled = True
                continue
            if sequence.position == fatal_token(sequence.request.messages):
                job_id = _job_id(name)
                self.killed_by[job_id] = self.killed_by.get(job_id, 0) + 1
                self._die(f"of {name}, with {list(self._sequences)} in it")
                return
            limit = min(len(sequence.answer), sequence.request.sampling.max_tokens)
            if sequence.position < limit:
                letter = sequence.answer[sequence.position]
                items.append(NewTokens(name, (token_of(letter),), letter))
                sequence.position += 1
            else:
                ended.append((sequence, limit < len(sequence.answer)))
        if items:
            self._send(Tokens(tuple(items)))
        for sequence, is_cut in ended:
            self._end(sequence, FinishReason.LENGTH if is_cut else FinishReason.STOP)
        self._step_soon()

    def _end(self, sequence: _Sequence, reason: FinishReason) -> None:
        del self._sequences[sequence.request.job_id]
        self._send(Done(sequence.request.job_id, reason, Usage(7, 0, sequence.position)))

    def _send(self, frame: Frame) -> None:
        if self._transport is not None:
            self._transport.feed(encode_frame(frame))


def _job_id(name: str) -> str:
    return name.partition("#")[0]
