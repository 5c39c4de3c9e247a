"""The benchmark for a card says what a machine lacks, and its results are read back as written."""

import asyncio
import json
import platform
import sys
import tarfile
from pathlib import Path

import httpx
import pytest

from engine_bench import report
from engine_bench.contenders.http_server import ask_llama_server_whole
from engine_bench.figures import Cell, Figure, Sample, at_least, at_most
from engine_bench.report import Report, Section
from engine_bench.workload import Job, Outcome
from gpu_bench import drawing, kit, libraries
from gpu_bench.errors import Unprepared

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
RUNTIME = ["libcudart.so.13", "libcublas.so.13", "libcublasLt.so.13"]


def with_libraries(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_cublas_is_found_beside_pytorch(tmp_path: Path) -> None:
    inside = with_libraries(tmp_path / "packages" / "nvidia" / "cu13" / "lib", *RUNTIME)
    listed = "\tlibcuda.so.1 (libc6,x86-64) => /usr/lib/libcuda.so.1\n"
    assert libraries.folders({}, [str(tmp_path / "packages")], listed) == [inside]


def test_a_folder_that_the_person_names_comes_first(tmp_path: Path) -> None:
    named = with_libraries(tmp_path / "named", "libcuda.so.1", *RUNTIME)
    with_libraries(tmp_path / "packages" / "nvidia" / "cu13" / "lib", *RUNTIME)
    environ = {"LD_LIBRARY_PATH": str(named)}
    assert libraries.folders(environ, [str(tmp_path / "packages")], "") == [named]


def test_what_the_loader_knows_it_is_not_told(tmp_path: Path) -> None:
    names = ("libcuda.so.1", *RUNTIME)
    listed = "".join(f"\t{name} (libc6,x86-64) => /lib/{name}\n" for name in names)
    assert libraries.folders({}, [str(tmp_path)], listed) == []


@pytest.mark.parametrize(
    ("there", "sentence"),
    [
        ([], "no NVIDIA driver (libcuda.so.1 is not found): install it"),
        (["libcuda.so.1", "libcudart.so.13"], "no libcublas.so.13, with which llama.cpp computes"),
    ],
)
def test_a_machine_that_lacks_something_is_told_what(
    tmp_path: Path, there: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_TOOLKITS", "_DRIVERS"):  # this machine's own
        monkeypatch.setattr(libraries, name, ())
    named = with_libraries(tmp_path / "named", *there)
    with pytest.raises(Unprepared) as refused:
        libraries.folders({"LD_LIBRARY_PATH": str(named)}, [], "")
    assert sentence in str(refused.value)


def test_what_does_not_load_is_said_in_the_loaders_words(tmp_path: Path) -> None:
    (tmp_path / "llama_cpp.py").write_text('raise OSError("libgomp.so.1: cannot open")\n')
    with pytest.raises(Unprepared, match=r"does not load here \(OSError: libgomp\.so\.1"):
        libraries.try_loading({"PYTHONPATH": str(tmp_path)})


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A kit for this machine."""
    place = tmp_path / "kit"
    tree = tmp_path / "tree"
    for file in (tree / "one" / "__init__.py", tree / "server" / "llama-server"):
        file.parent.mkdir(parents=True)
        file.touch(mode=0o755)
    place.mkdir()
    with tarfile.open(place / "packages.tar.xz", "w:xz") as archive:
        archive.add(tree, arcname="")
    facts = {"architecture": "sm_90", "python": PYTHON, "machine": platform.machine()}
    (place / "kit.json").write_text(json.dumps(facts))
    return place


def test_a_kit_is_unpacked(made: Path, tmp_path: Path) -> None:
    assert kit.read_facts(made)["architecture"] == "sm_90"
    place = tmp_path / "unpacked"
    kit.unpack(made, place)
    assert (place / "one" / "__init__.py").is_file()
    assert (place / "server" / "llama-server").stat().st_mode & 0o111
    assert kit.python_path(place)[0] == str(place)
    assert all(Path(each).is_dir() for each in kit.python_path(place))


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"python": "3.9"}, rf"for the Python 3\.9, and this is {PYTHON}: .*--python {PYTHON}"),
        ({"machine": "z80"}, "for the processor z80, and this is"),
    ],
)
def test_a_kit_for_another_machine_is_refused(
    made: Path, changed: dict[str, str], sentence: str
) -> None:
    facts = json.loads((made / "kit.json").read_text())
    (made / "kit.json").write_text(json.dumps({**facts, **changed}))
    with pytest.raises(Unprepared, match=sentence):
        kit.read_facts(made)


def test_no_kit_and_a_broken_one_are_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(Unprepared, match="make bench-gpu-kit ARCH=sm_90"):
        kit.read_facts(tmp_path / "nowhere")
    packages = made / "packages.tar.xz"
    whole = packages.read_bytes()
    for part in (whole[: len(whole) // 2], b"half", b""):
        packages.write_bytes(part)
        with pytest.raises(Unprepared, match="is broken"):
            kit.unpack(made, tmp_path / "unpacked")


def measured() -> Report:
    facts = {
        "measured_at": "2026-11-30T08:00:00+00:00",
        "machine": {"card": "NVIDIA H200", "cores": 16, "processor": "Xeon"},
        "load_average_before": [0.5, 0.4, 0.3],
    }
    figures = [
        Figure("layers on the card", "of 23", (23.0,)),
        Figure("own time", "µs/token", (9.5, 10.5), at_most(10.0)),
        Figure("engine / raw loop", "×", (0.97, 0.99), at_least(0.95)),
    ]
    cells = [
        Cell(name, "shape", jobs, [Sample(100.0 * jobs, 900.0, None, (0.1, 0.2), 0.5, 800.0, 2.0)])
        for name in ("engine", "raw loop", "llama-server")
        for jobs in (1, 128)
    ]
    sections = [
        Section("card", "What is on the card", figures, ["a note"]),
        Section("rates", "Tokens per second", failures=["llama-server: it ended"]),
    ]
    return Report(2, False, facts, sections, cells, 3.5)


def test_results_are_read_back_as_they_were_written() -> None:
    found = measured()
    again = report.from_plain(json.loads(report.to_json(found)))
    assert report.table(again) == report.table(found)
    assert report.to_plain(again) == report.to_plain(found)
    assert "NVIDIA H200, 16 cores (Xeon)" in report.table(again)


def test_the_picture_is_drawn_from_the_results(tmp_path: Path) -> None:
    results = tmp_path / "gpu.json"
    results.write_text(report.to_json(measured()))
    assert drawing.draw(results) == 0
    assert (tmp_path / "gpu.png").read_bytes().startswith(b"\x89PNG")


def test_what_holds_no_results_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "gpu.json"
    results.write_text("{}")
    assert drawing.draw(results) == 1
    assert "holds no results" in capsys.readouterr().err


def test_a_server_that_does_not_stream_says_when_its_first_token_came() -> None:
    asked: list[dict[str, object]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(json.loads(request.content))
        timings = {"prompt_ms": 40.0, "predicted_ms": 250.0}
        document = {"content": "ab", "tokens_predicted": 2, "tokens_evaluated": 9}
        return httpx.Response(200, json={**document, "timings": timings})

    async def ask() -> Outcome:
        transport = httpx.MockTransport(answer)
        async with httpx.AsyncClient(transport=transport, base_url="http://llama") as http:
            job = Job("one", "one", (("user", "x"),), prompt_tokens=9, max_tokens=2)
            return await ask_llama_server_whole(http, job, asked=1.0)

    outcome = asyncio.run(ask())
    assert outcome.first == pytest.approx(outcome.ended - 0.25)
    assert (outcome.prompt_tokens, outcome.tokens, outcome.text) == (9, 2, "ab")
    assert asked[0]["n_predict"] == 2
    assert "stream" not in asked[0]
