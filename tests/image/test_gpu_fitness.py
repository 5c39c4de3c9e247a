"""A worker takes work only with cards that are fit, and says in one sentence why not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from housekeeping import ROOT

CHECK = ROOT / "roles" / "cuda" / "files" / "gpu_fitness.py"

T4 = "0, Tesla T4, 15360, 2, 34, 1590, 0, [N/A], [N/A], Not Active"
L4 = "0, NVIDIA L4, 23034, 1, 41, 2040, 0, No, No, Not Active"
BROKEN_ROWS = "0, NVIDIA L4, 23034, 1, 41, 2040, 0, Yes, No, Not Active"
HARMLESS_XID = "NVRM: Xid (PCI:0000:00:1e): 43, pid=812, name=python3, Ch 00000008"
FALLEN_XID = "NVRM: Xid (PCI:0000:00:1e): 79, pid='<unknown>', GPU has fallen off the bus."


# What hangs in the driver is in uninterruptible sleep, where SIGKILL reaches it as little as this.
CALL = """
import pathlib, subprocess, sys
import gpu_fitness
gpu_fitness.UVM = pathlib.Path(sys.argv.pop(1))
if sys.argv.pop(1) == "hangs":
    gpu_fitness.ASK_SECONDS = 0.5
    subprocess.Popen.kill = lambda process: None
sys.exit(gpu_fitness.main())
"""


class Machine:
    """A machine's programs of the driver, and journalctl, as far as the check asks them."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.program("journalctl", "exit 1")
        self.program("nvidia-modprobe", f'[ "$*" = "-u -c 0" ] && : >{place}/nvidia-uvm')

    def program(self, name: str, script: str) -> None:
        path = self.place / name
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)

    def prints(self, name: str, *lines: str) -> None:
        text = "\n".join(lines)
        self.program(name, f"/bin/cat <<'END'\n{text}\nEND")

    def hangs(self, name: str) -> None:
        self.program(name, f"echo $$ >{self.place}/hanging; exec /bin/sleep 60")

    @property
    def refusal(self) -> Path:
        return self.place / "refusal"

    def check(self, cards: int = 1, how: str = "ends") -> subprocess.CompletedProcess[str]:
        wanted = (
            f"--cards={cards}",
            "--memory-mib=14000",
            "--temperature=90",
            f"--refusal={self.refusal}",
        )
        return subprocess.run(
            [sys.executable, "-c", CALL, self.place / "nvidia-uvm", how, *wanted],
            env={"PATH": str(self.place), "PYTHONPATH": str(CHECK.parent)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    yield Machine(tmp_path)
    hanging = tmp_path / "hanging"
    if hanging.exists():
        os.kill(int(hanging.read_text("ascii")), signal.SIGKILL)


@pytest.mark.parametrize("card", [T4, L4])
def test_a_fit_card_passes_without_a_word(machine: Machine, card: str) -> None:
    machine.prints("nvidia-smi", card)
    done = machine.check()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not machine.refusal.exists()


def test_a_machine_that_needs_no_card_passes_without_a_driver(machine: Machine) -> None:
    done = machine.check(cards=0)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_error_of_a_program_is_no_error_of_the_card(machine: Machine) -> None:
    machine.prints("nvidia-smi", T4)
    machine.prints("journalctl", HARMLESS_XID)
    assert machine.check().returncode == 0


@pytest.mark.parametrize(
    ("card", "words"),
    [
        (T4.replace("15360", "7680"), "7680 MiB of memory"),
        (T4.replace(" 2,", " 9000,"), "in use before the engine starts"),
        (T4.replace(" 34,", " 96,"), "96 °C"),
        (T4.replace(" 1590, 0", " 1590, 3"), "3 memory errors"),
        (T4.replace("Not Active", "Active"), "below its clocks"),
        (T4.replace("1590", "0"), "no clock"),
        (BROKEN_ROWS, "broken rows"),
        ("", "0 found"),
    ],
)
def test_a_bad_card_is_one_sentence_with_a_next_step(
    machine: Machine, card: str, words: str
) -> None:
    machine.prints("nvidia-smi", card)
    done = machine.check()
    assert done.returncode == 1
    assert words in done.stderr
    assert "No work is taken. A fleet tries another instance; end this one" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_the_worker_finds_the_sentence_and_nothing_else_is_written(machine: Machine) -> None:
    """The folder is the engine's user's, and the check runs as root."""
    machine.prints("nvidia-smi", T4.replace(" 34,", " 96,"))
    elsewhere = machine.place / "elsewhere"
    elsewhere.write_text("kept", encoding="utf-8")
    machine.refusal.symlink_to(elsewhere)
    machine.check()
    assert elsewhere.read_text("utf-8") == "kept"
    assert machine.refusal.read_text("utf-8") == "Card 0 (Tesla T4) is at 96 °C without work.\n"
    assert machine.refusal.stat().st_mode & 0o777 == 0o644


def test_one_card_of_two_is_too_few(machine: Machine) -> None:
    machine.prints("nvidia-smi", T4)
    assert "2 graphics card(s) wanted, 1 found" in machine.check(cards=2).stderr


def test_each_of_two_cards_must_be_fit(machine: Machine) -> None:
    """llama.cpp puts layers on each card that there is."""
    other = T4.replace("0, Tesla", "1, Tesla", 1)
    machine.prints("nvidia-smi", T4, other)
    assert machine.check().returncode == 0
    machine.prints("nvidia-smi", T4, other.replace(" 34,", " 96,"))
    assert "Card 1 (Tesla T4) is at 96 °C" in machine.check().stderr


def test_without_its_device_file_no_card_is_fit(machine: Machine) -> None:
    machine.prints("nvidia-smi", T4)
    for script in ("exit 1", "exit 0"):
        machine.program("nvidia-modprobe", script)
        done = machine.check()
        assert done.returncode == 1
        assert "nvidia-uvm, so there is no card that it takes, or its module" in done.stderr
        assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("program", ["nvidia-modprobe", "nvidia-smi"])
def test_a_driver_that_never_answers_is_a_sentence_all_the_same(
    machine: Machine, program: str
) -> None:
    machine.prints("nvidia-smi", T4)
    machine.hangs(program)
    began = time.monotonic()
    done = machine.check(how="hangs")
    assert time.monotonic() - began < 10
    assert done.returncode == 1
    assert f"The driver has not answered {program} within" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_journal_that_never_answers_stops_no_card(machine: Machine) -> None:
    machine.prints("nvidia-smi", T4)
    machine.hangs("journalctl")
    done = machine.check(how="hangs")
    assert done.returncode == 0
    assert done.stderr == "The kernel's log cannot be read: the driver's errors are not known.\n"


def test_a_card_that_fell_off_the_bus_is_seen_in_the_kernels_log(machine: Machine) -> None:
    machine.prints("nvidia-smi", T4)
    machine.prints("journalctl", HARMLESS_XID, FALLEN_XID)
    assert "Xid 79: the card has fallen off the bus" in machine.check().stderr


def test_a_driver_that_finds_nothing_says_what_it_said(machine: Machine) -> None:
    machine.program("nvidia-smi", "echo 'No devices were found'; exit 6")
    assert "No devices were found" in machine.check().stderr


@pytest.mark.parametrize("program", ["nvidia-modprobe", "nvidia-smi"])
def test_a_missing_driver_is_a_sentence(machine: Machine, program: str) -> None:
    machine.prints("nvidia-smi", T4)
    (machine.place / program).unlink()
    assert f"driver is not installed (no {program})" in machine.check().stderr
