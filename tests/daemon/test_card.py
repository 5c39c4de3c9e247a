"""An engine that is meant for a card and finds none does not answer on the processor."""

import re
import time
from pathlib import Path

import pytest

from aistratus_daemon.engine import card, machine
from aistratus_daemon.engine.machine import Gpu
from aistratus_daemon.errors import DeviceError
from support.engine_process import engine_environment, refusal, running_engine

MIB = 2**20
L4 = Gpu("NVIDIA L4", 22_000 * MIB)


def test_an_engine_without_its_card_ends_with_a_sentence_and_its_own_code(tmp_path: Path) -> None:
    said = tmp_path / "engine-refusal"
    began = time.monotonic()
    code, message = refusal(
        engine_environment(
            tmp_path, AISTRATUS_ENGINE_GPU="on", AISTRATUS_ENGINE_REFUSAL_FILE=str(said)
        )
    )
    assert (code, message.startswith("AISTRATUS_ENGINE_GPU is on")) == (4, True), message
    assert "finds no GPU (it is built for CPU)" in message
    assert said.read_text() == f"{message}\n"
    assert said.stat().st_mode & 0o777 == 0o644  # its reader is another user
    assert time.monotonic() - began <= 3.0


def test_it_does_not_read_the_weights_to_their_end_first(tmp_path: Path) -> None:
    weights = tmp_path / "large.gguf"
    with weights.open("wb") as file:
        file.write(b"GGUF")
        file.truncate(16 * 2**30)  # half a minute of SHA-256
    began = time.monotonic()
    code, _ = refusal(
        engine_environment(tmp_path, AISTRATUS_ENGINE_GPU="on", AISTRATUS_MODEL_FILE=str(weights))
    )
    assert code == 4
    assert time.monotonic() - began <= 3.0


def test_an_engine_that_starts_takes_back_what_an_earlier_one_said(tmp_path: Path) -> None:
    said = tmp_path / "engine-refusal"
    said.write_text("no card\n")
    more = {"AISTRATUS_ENGINE_REFUSAL_FILE": str(said), "AISTRATUS_ENGINE_GPU": "off"}
    with running_engine(tmp_path, **more) as engine, engine.link():
        assert not said.exists()


def test_where_the_reason_cannot_be_written_the_log_still_has_it(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "no" / "folder")
    code, message = refusal(
        engine_environment(
            tmp_path, AISTRATUS_ENGINE_GPU="on", AISTRATUS_ENGINE_REFUSAL_FILE=nowhere
        )
    )
    assert code == 4
    assert "finds no GPU" in message


def test_a_card_for_which_all_layers_stay_on_the_processor_is_refused(tmp_path: Path) -> None:
    environment = engine_environment(
        tmp_path, AISTRATUS_ENGINE_GPU="on", AISTRATUS_ENGINE_GPU_LAYERS="0"
    )
    code, message = refusal(environment)
    assert code == 2
    assert "AISTRATUS_ENGINE_GPU_LAYERS" in message


def test_a_library_that_does_not_load_is_named(tmp_path: Path) -> None:
    # As on a machine without NVIDIA's driver, where libcuda.so.1 is missing.
    package = tmp_path / "llama_cpp"
    package.mkdir()
    (package / "__init__.py").write_text(
        "raise RuntimeError(\"Failed to load shared library 'libllama.so': libcuda.so.1: cannot "
        'open shared object file")\n'
    )
    code, message = refusal(engine_environment(tmp_path, PYTHONPATH=str(tmp_path)))
    assert code == 4
    assert "libcuda.so.1" in message


@pytest.mark.parametrize(
    ("found", "model_bytes", "sentence"),
    [
        ([], 600 * MIB, "finds no GPU (it is built for CUDA, CPU)"),
        ([Gpu("NVIDIA L4", 0)], 600 * MIB, "NVIDIA L4 has no free memory"),
        ([L4], 40_000 * MIB, "take 40000 MiB, and NVIDIA L4 has 22000 MiB free"),
    ],
)
def test_a_card_that_cannot_hold_the_weights_is_refused(
    found: list[Gpu], model_bytes: int, sentence: str
) -> None:
    with pytest.raises(DeviceError, match=re.escape(sentence)):
        card.check(found, ["CUDA", "CPU"], model_bytes)


def test_two_cards_share_the_weights() -> None:
    card.check([L4, L4], ["CUDA", "CPU"], 40_000 * MIB)


def test_this_machines_llama_cpp_has_a_processor() -> None:
    assert "CPU" in machine.backends()
