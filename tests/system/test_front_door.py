"""What the README shows first is so: its picture moves, and its lines for the API work."""

import re
import subprocess

import pytest
from PIL import Image

from housekeeping import ROOT
from support.system import Demo, demo_environment

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
MOST_BYTES = 1_500_000


def test_the_picture_moves_and_is_small() -> None:
    shown = re.search(r'<img src="(docs/images/demo\.\w+)" width="(\d+)"', README)
    assert shown
    path = ROOT / shown[1]
    assert path.stat().st_size <= MOST_BYTES
    with Image.open(path) as picture:
        assert picture.size[0] == int(shown[2]), "shown as large as it is, its text is readable"
        durations = []
        for frame in range(getattr(picture, "n_frames", 1)):
            picture.seek(frame)
            picture.load()
            durations.append(picture.info["duration"])
    assert len(durations) > 25
    assert 15_000 < sum(durations) < 60_000, "a natural pace, in milliseconds"


def test_the_first_screen_is_one_sentence_three_points_and_the_picture() -> None:
    first = README.partition("<img ")[0].strip().split("\n\n")
    title, sentence, points = first
    assert title == "# Aistratus"
    assert len(re.findall(r"\.(?:\s|$)", sentence)) == 1
    assert [line[:3] for line in points.splitlines()] == ["- *"] * 3


@pytest.mark.needs("curl")
def test_the_lines_for_the_api_work(demo: Demo) -> None:
    (lines,) = [block for block in BLOCKS if "make token" in block]
    assert len(lines.splitlines()) == 5
    made = lines.replace("http://127.0.0.1:8551", demo.state["api_url"])
    assert made != lines
    state = demo_environment(demo.state_dir)
    done = subprocess.run(
        ["sh", "-eu", "-c", made],
        cwd=ROOT,
        env={name: value for name, value in state.items() if "MAKE" not in name},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert '"delta":{"text":"Aistratus' in done.stdout.replace(" ", "")
    assert '"text":"Aistratus' in done.stdout.rpartition('"job_id"')[2], "the job has it too"
