"""Checks the GPUs through the NVIDIA driver before the engine uses them.

It first has the driver make its device files: the engine, which has no rights, could not. Exits
with 0 and prints nothing if all cards are fit or none is required; otherwise exits with 1 and one
sentence on stderr, which it leaves for the worker, too. It needs only Python's standard library: it
runs with the system's python3, before anything of ours.
"""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ASK_SECONDS = 30
"""A card that has fallen off the bus can hold a program in the driver, where no signal ends it."""

UVM = Path("/dev/nvidia-uvm")
"""CUDA's memory; llama.cpp finds no card without it. Loading the module alone does not make it."""

FATAL_XIDS = {
    48: "a double-bit memory error",
    64: "a memory row that could not be replaced",
    74: "an NVLink error",
    79: "the card has fallen off the bus",
    94: "a contained memory error",
    95: "an uncontained memory error",
    119: "the card's own processor does not answer",
    120: "the card's own processor has failed",
    140: "a memory error that cannot be corrected",
}
"""The driver's errors after which NVIDIA asks for a reset or another card.

https://docs.nvidia.com/deploy/xid-errors/
"""

FIELDS = (
    "index",
    "name",
    "memory.total",
    "memory.used",
    "temperature.gpu",
    "clocks.max.sm",
    "ecc.errors.uncorrected.volatile.total",
    "remapped_rows.failure",
    "remapped_rows.pending",
    "clocks_event_reasons.hw_slowdown",
)

NEXT_STEP = "A fleet tries another instance; end this one if it is not a fleet's."


class BadCard(Exception):
    """A card is unfit; the text is a sentence that says why."""


class Unanswered(Exception):
    """A program has not ended in time."""


@dataclass(frozen=True)
class Done:
    """What a program has answered, and its exit code."""

    code: int
    output: str

    @property
    def said(self) -> str:
        """The answer on one line."""
        return " ".join(self.output.split())


@dataclass(frozen=True)
class Wanted:
    """The required cards. Memory is in MiB; the temperature limit is for an idle card, in °C."""

    cards: int
    memory_mib: int
    temperature: int


def check(wanted: Wanted) -> None:
    """Raises `BadCard` if this machine's cards do not meet the requirements."""
    if wanted.cards == 0:
        return
    _make_device_files()
    rows = [line.split(", ") for line in _ask_driver().splitlines() if line.strip()]
    cards = [dict(zip(FIELDS, row, strict=True)) for row in rows if len(row) == len(FIELDS)]
    if len(cards) < wanted.cards:
        raise BadCard(f"{wanted.cards} graphics card(s) wanted, {len(cards)} found.")
    for card in cards:
        _check_card(card, wanted)
    _check_kernel_log()


def _check_card(card: dict[str, str], wanted: Wanted) -> None:
    name = f"Card {card['index']} ({card['name']})"
    if _number(card["memory.total"]) < wanted.memory_mib:
        raise BadCard(
            f"{name} has {card['memory.total']} MiB of memory; {wanted.memory_mib} are wanted."
        )
    if _number(card["memory.used"]) > _number(card["memory.total"]) // 4:
        raise BadCard(f"{name} has {card['memory.used']} MiB in use before the engine starts.")
    if _number(card["ecc.errors.uncorrected.volatile.total"]) > 0:
        raise BadCard(
            f"{name} has {card['ecc.errors.uncorrected.volatile.total']} memory errors that"
            " could not be corrected."
        )
    for field in ("remapped_rows.failure", "remapped_rows.pending"):
        if card[field].lower() in {"yes", "1"}:
            raise BadCard(f"{name} has broken rows of memory ({field}).")
    if _number(card["temperature.gpu"]) >= wanted.temperature:
        raise BadCard(f"{name} is at {card['temperature.gpu']} °C without work.")
    if card["clocks_event_reasons.hw_slowdown"] == "Active":
        raise BadCard(f"{name} is held below its clocks by its own hardware.")
    if _number(card["clocks.max.sm"], absent=1) < 1:
        raise BadCard(f"{name} has no clock.")


def _check_kernel_log() -> None:
    command = ["journalctl", "--boot", "--dmesg", "--output=cat", "--grep=NVRM: Xid"]
    try:
        log = _run(command).output  # the exit code is 1 for no match
    except (OSError, Unanswered):
        # No reason to refuse a card that has answered.
        sys.stderr.write("The kernel's log cannot be read: the driver's errors are not known.\n")
        return
    for found in re.finditer(r"NVRM: Xid \([^)]*\): (\d+)", log):
        what = FATAL_XIDS.get(int(found[1]))
        if what:
            raise BadCard(f"The driver has reported Xid {found[1]}: {what}.")


def _make_device_files() -> None:
    # -u loads the module nvidia-uvm, and with it the driver; -c 0 makes its files.
    done = _ask("nvidia-modprobe", "-u", "-c", "0")
    if done.code != 0 or not UVM.exists():
        raise BadCard(
            f"The driver did not make {UVM}, so there is no card that it takes, or its module is "
            f"not for this kernel: see dmesg and lspci. {done.said}".rstrip()
        )


def _ask_driver() -> str:
    done = _ask("nvidia-smi", f"--query-gpu={','.join(FIELDS)}", "--format=csv,noheader,nounits")
    if done.code != 0:
        raise BadCard(f"The driver finds no card that works: {done.said or done.code}")
    return done.output


def _ask(*command: str) -> Done:
    try:
        return _run(command)
    except FileNotFoundError:
        raise BadCard(f"NVIDIA's driver is not installed (no {command[0]}).") from None
    except Unanswered:
        raise BadCard(f"The driver has not answered {command[0]} within {ASK_SECONDS} s.") from None


def _run(command: Sequence[str]) -> Done:
    """Run a command; raises `Unanswered` after `ASK_SECONDS`, whatever the command does.

    Not `subprocess.run`: that waits for what it kills, and what hangs in the driver does not end.
    """
    asked = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    try:
        output, _ = asked.communicate(timeout=ASK_SECONDS)
    except subprocess.TimeoutExpired:
        asked.kill()
        raise Unanswered from None
    return Done(asked.returncode, output)


def _leave(file: Path, text: str) -> None:
    """Write a file anew, in a folder of the engine's user; never through what lies there."""
    try:
        file.unlink(missing_ok=True)
        with file.open("x", encoding="utf-8") as opened:
            os.fchmod(opened.fileno(), 0o644)
            opened.write(text)
    except OSError as error:
        sys.stderr.write(f"{file} cannot be written, so the fleet is not told: {error}\n")


def _number(text: str, *, absent: int = 0) -> int:
    """The text as a number, or `absent` for nvidia-smi's [N/A]."""
    return int(text) if text.isdigit() else absent


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check and print its sentence; returns the exit code."""
    parser = argparse.ArgumentParser(description="Checks NVIDIA cards before work is taken.")
    parser.add_argument("--cards", type=int, required=True)
    parser.add_argument("--memory-mib", type=int, default=0)
    parser.add_argument("--temperature", type=int, default=90)
    parser.add_argument("--refusal", type=Path, help="the file in which the worker looks for why")
    chosen = parser.parse_args(arguments)
    try:
        check(Wanted(chosen.cards, chosen.memory_mib, chosen.temperature))
    except BadCard as bad:
        sys.stderr.write(f"{bad} No work is taken. {NEXT_STEP}\n")
        if chosen.refusal is not None:
            _leave(chosen.refusal, f"{bad}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
