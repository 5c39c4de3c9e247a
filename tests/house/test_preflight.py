"""The terminal says what is wrong before it does anything: one sentence, and nothing installed."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from engine_bench import options
from engine_bench.__main__ import SCENARIOS
from housekeeping import ROOT
from preflight.targets import TARGETS
from support.tree import tracked

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
BASE_PYTHON = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
PROGRAMS = ("sh", "make", "dirname", "env")
DEPLOYED = {
    "AISTRATUS_API_URL": "https://api.example.org",
    "AISTRATUS_LOGIN_URL": "https://login.example.org",
    "AISTRATUS_CLIENT_ID": "app",
    "AISTRATUS_REGION": "eu-central-1",
}
WITH_ENVIRONMENT = [
    *("deploy", "plan", "drift", "destroy", "outputs"),
    *("user", "fleet", "start", "stop", "shell", "unlock"),
]
WITH_ARGS = ["deploy", "plan", "drift", "outputs", "fleet", "start", "stop", "redrive", "bootstrap"]
WITH_OPTIONS = ["soak", "attack", "bench", "bench-engine", "bench-gpu", "bench-boot", "standin"]

WRONG_CALLS: list[tuple[list[str], str]] = [
    *(([name], "Say which environment: ENV=dev or ENV=prod ") for name in WITH_ENVIRONMENT),
    *(([name, "ENV=stage"], "no environment 'stage'") for name in (*WITH_ENVIRONMENT, "redrive")),
    *(([name, "ENV=dev", "REGION=mars"], "no AWS region 'mars'") for name in WITH_ENVIRONMENT),
    *(
        ([name, *([] if name == "bootstrap" else ["ENV=dev"]), "ARGS=--hurry"], "unknown: --hurry")
        for name in WITH_ARGS
    ),
    (["deploy", "dev"], "There is no target 'dev'."),
    (["deploy", "ENV=dev", "ARGS=prod"], "make deploy: unknown: prod."),
    (["deploy", "ENV=../dev"], "Say which environment"),
    (["deploy", "ENV=dev; touch stolen"], "There is no environment"),
    (["deploy", "ENV=dev", "IMAGE_ID=worker"], "'worker' is no image id"),
    (["deploy", "ENV=dev", "EMAIL=ada@example.org"], "make deploy takes no EMAIL."),
    (["deploy", "ENV=dev", "REGIONS=eu-central-1"], "It takes REGION;"),
    (["destroy", "ENV=dev"], "make destroy ENV=dev YES=1"),
    (["destroy", "ENV=dev", "YES=yes"], "YES is 'yes'"),
    (["user", "ENV=dev"], "make user ENV=dev EMAIL=somebody@example.org"),
    (["user", "ENV=dev", "EMAIL= "], "Say whom"),
    (["user", "ENV=dev", "EMAIL=ada"], "'ada' is no mail address."),
    (["user", "ENV=dev", "EMAIL=-h@x"], "is no mail address"),
    (["user", "ENV=dev", "EMAIL=ada@example.org", "AGAIN=yes"], "AGAIN is 'yes'"),
    (["bootstrap", "GITHUB_REPOSITORY=mine"], "Write it as owner/name, or with both ids"),
    (["bootstrap", "GITHUB_REPOSITORY=me/mine@1"], "'me/mine@1' is no GitHub repository."),
    (["bootstrap", "ENV=dev"], "make bootstrap takes no ENV."),
    (["publish-image", "IMAGE_ID=ami-1"], "'ami-1' is no image id"),
    (["redrive", "WHERE=cloud"], "Say which environment"),
    (["redrive", "WHERE=moon"], "There is no place 'moon'"),
    (["redrive", "WHERE=local", "ENV=dev"], "leave one out"),
    (["redrive", "ARGS=--job 7"], "'7' is no job id"),
    (["redrive", "ENV=dev", "ARGS=--job 7"], "'7' is no job id"),
    (["redrive", "ARGS=--delete"], "Say what to delete"),
    (["redrive", "ARGS=--hurry"], "unknown: --hurry"),
    (["redrive", "GATEWAY_PORT=many"], "GATEWAY_PORT is 'many'"),
    (["ask"], "Say what to ask"),
    (["ask", "PROMPT= "], "Say what to ask"),
    (["ask", "ENV=dev"], "Say what to ask"),
    (["ask", "What", "is", "it?"], "There is no target 'What'."),
    (["ask", "PROMT=Who?"], "It takes PROMPT;"),
    (["ask", "PROMPT=Who?", "MODEL=gpt"], "There is no model 'gpt' here."),
    (["ask", "PROMPT=Who?", "WHERE=moon"], "There is no place 'moon'"),
    (["ask", "PROMPT=Who?", "ENV=stage"], "There is no environment 'stage'"),
    (["demo", "MODEL=gpt"], "There is no model 'gpt' here."),
    (["demo", "APP_PORT=web"], "APP_PORT is 'web', which is no port."),
    (["demo", "PORT=web", "ENV=dev"], "make demo takes no ENV."),
    (["token", "GATEWAY_PORT=web"], "GATEWAY_PORT is 'web'"),
    (["interrupt", "GATEWAY_PORT=-1"], "GATEWAY_PORT is '-1'"),
    (["app", "ENV=stage"], "There is no environment 'stage'"),
    (["image", "VARIANT=gpt"], "There is no image 'gpt'."),
    (["image", "VARIANT="], "There is no image ''."),
    (["prune-images", "VARIANT=gpt"], "There is no image 'gpt'."),
    (["prune-images"], "make prune-images VARIANT=tinyllama YES=1"),
    (["prune-images", "YES=1", "ARGS=--keep 0"], "To keep 0 images means nothing."),
    (["native-wheel"], "Say PROCESSOR= one of: x86-64-v3, x86-64-v2, arm64."),
    (["native-wheel", "PROCESSOR=z80"], "no recipe for the processor 'z80'"),
    (["cuda-wheel"], "Say ARCH= one of: sm_75, "),
    (["cuda-wheel", "ARCH=90"], "'90' is none."),
    (["bench-gpu-kit"], "Say ARCH= one of: sm_75, "),
    (["bench-gpu-kit", "ARCH=sm_90", "ARGS=--python three"], "'three' is no Python"),
    (["bench-gpu", "ARCH=sm_90"], "make bench-gpu takes no ARCH."),
    (["pin-wheels"], "Name one with VERSION=v1.2.3."),
    (["pin-wheels", "VERSION=latest"], "'latest' is no release."),
    (["release-notes"], "name one with VERSION=v1.2.3"),
    (["release-notes", "VERSION=v99.0.0"], "CHANGELOG.md has no section of 99.0.0"),
    (["lock", "UPGRADE=yes"], "UPGRADE is 'yes'"),
    (["lint", "ARGS=-v"], "make lint takes no ARGS."),
    *(([name, "ARGS=--hurry"], f"make {name}: unknown: --hurry.") for name in WITH_OPTIONS),
    (["soak", "ARGS=--jobs many"], "invalid int value: 'many'"),
    (["bench-engine", "ARGS=--rounds 0"], "must be at least 1"),
    (["bench-engine", "ARGS=--only luck"], "invalid choice: 'luck'"),
    (["setup", "ENV=dev"], "make setup takes no ENV."),
]
WITHOUT_PROGRAM: list[tuple[list[str], str]] = [
    *(
        ([name, *([] if name == "bootstrap" else ["ENV=dev"])], "Terraform is not installed.")
        for name in ("deploy", "plan", "drift", "outputs", "unlock", "bootstrap")
    ),
    (["destroy", "ENV=dev", "YES=1"], "Terraform is not installed."),
    (["image"], "Packer is not installed."),
    (["shell", "ENV=dev"], "The AWS command line is not installed."),
    (["picture"], "The picture is filmed with Chromium"),
    (["bench-gpu"], "There is no kit in "),
    (["app"], "Nothing is deployed from this checkout yet."),
    (["ask", "PROMPT=Who?", "WHERE=cloud"], "Nothing is deployed from this checkout yet."),
]

NO_COMPILER = "no C++ compiler"
NO_ENVIRONMENT = "is no virtual environment"
"""What stops the set-up of the operator's set, which compiles nothing: another's folder."""

RIGHT_CALLS: list[tuple[list[str], Mapping[str, str], str]] = [
    (["user", "ENV=dev", "EMAIL=ada@example.org"], {}, NO_ENVIRONMENT),
    (["user", "EMAIL=ada@example.org"], {"ENV": "prod"}, NO_ENVIRONMENT),
    (["fleet", "ENV=dev", "ARGS=--json", "AWS_PROFILE=mine"], {}, NO_ENVIRONMENT),
    (["redrive", "ENV=dev", "ARGS=--all --delete"], {}, NO_ENVIRONMENT),
    (["redrive", "ARGS=--job job-aaaaaaaaaaaaaaaaaaaaaaaa"], {"ENV": "/etc/rc"}, NO_COMPILER),
    (["ask", "PROMPT=-"], {}, NO_COMPILER),
    (["ask", "PROMPT=--help"], {}, NO_COMPILER),
    (["ask", "PROMPT=Who?", "ENV=dev"], DEPLOYED, NO_ENVIRONMENT),
    (["app", "ENV=dev"], DEPLOYED, NO_ENVIRONMENT),
    (["demo", "GATEWAY_PORT=8651"], {}, NO_COMPILER),
    (["test", "ARGS=-k fence"], {}, NO_COMPILER),
    (["soak", "ARGS=--jobs 50 --kills 10"], {}, NO_COMPILER),
]


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files, as a fresh clone has them, and nothing else."""
    place = tmp_path_factory.mktemp("clone")
    for path in tracked():
        target = place / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return place


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A machine's programs: a shell's few, make and Python; no compiler, so no set-up either."""
    place = tmp_path_factory.mktemp("bin")
    for name in PROGRAMS:
        (place / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    (place / "python3").symlink_to(BASE_PYTHON)
    return place


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A home that stays empty."""
    yield tmp_path
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def name_of(value: list[str] | str) -> str:
    """A case is named for its call."""
    return " ".join(value) if isinstance(value, list) else ""


def call(
    clone: Path, bare: Path, home: Path, words: list[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", *words],
        cwd=clone,
        env={"PATH": str(bare), "HOME": str(home), "XDG_CACHE_HOME": str(home), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def assert_one_sentence(
    clone: Path, done: subprocess.CompletedProcess[str], code: int, said: str
) -> None:
    sentence, *makes_own = done.stderr.strip().splitlines()
    assert said in sentence
    assert sentence[0].isupper() or sentence.startswith(("make ", "'"))
    assert len(sentence) < 400
    assert len(makes_own) == 1, done.stderr
    assert re.fullmatch(rf"make: \*\*\* \[Makefile:\d+: \S+\] Error {code}", makes_own[0])
    assert done.stdout == ""
    assert not (clone / ".venv").exists()
    assert not (clone / "build").exists()
    assert not (clone / "stolen").exists()


@pytest.mark.parametrize(("words", "said"), WRONG_CALLS, ids=name_of)
def test_a_wrong_call_is_one_sentence(
    clone: Path, bare: Path, home: Path, words: list[str], said: str
) -> None:
    assert_one_sentence(clone, call(clone, bare, home, words, {}), 2, said)


@pytest.mark.parametrize(("words", "said"), WITHOUT_PROGRAM, ids=name_of)
def test_what_is_missing_is_one_sentence(
    clone: Path, bare: Path, home: Path, words: list[str], said: str
) -> None:
    assert_one_sentence(clone, call(clone, bare, home, words, {}), 1, said)


@pytest.mark.parametrize("right", RIGHT_CALLS)
def test_a_right_call_gets_to_the_set_up_that_it_needs(
    clone: Path,
    bare: Path,
    home: Path,
    right: tuple[list[str], Mapping[str, str], str],
) -> None:
    words, environment, stopped = right
    (clone / ".venv").mkdir()
    (clone / ".venv" / "letters.txt").touch()
    try:
        done = call(clone, bare, home, words, environment)
        assert stopped in done.stderr
        assert done.stdout == ""
    finally:
        for folder in (clone / ".venv", clone / "build", home / "aistratus"):
            shutil.rmtree(folder)


def test_the_app_is_that_of_the_environment_that_is_named(
    clone: Path, bare: Path, home: Path
) -> None:
    public = clone / ".env_public"
    public.write_text("".join(f"{n}={v}\n" for n, v in DEPLOYED.items()) + "AISTRATUS_ENV=dev\n")
    try:
        for words in (["app", "ENV=prod"], ["ask", "ENV=prod", "PROMPT=Who?"]):
            done = call(clone, bare, home, words, {})
            assert_one_sentence(clone, done, 1, "deployed last is dev, not prod.")
    finally:
        public.unlink()


def test_the_engines_benchmark_has_the_scenarios_that_its_options_name() -> None:
    assert tuple(scenario.name for scenario in SCENARIOS) == options.SCENARIOS


def test_every_target_is_listed_with_what_its_recipe_takes() -> None:
    recipe = r"^([a-z][a-z.-]*):.*\n((?:\t.*\n|if.*\n|else\n|endif\n)*)"
    recipes = dict(re.findall(recipe, MAKEFILE, re.MULTILINE))
    assert recipes.keys() == TARGETS.keys()
    ours = frozenset().union(*(target.takes for target in TARGETS.values()))
    for name, text in recipes.items():
        used = set(re.findall(r"\$[({]?\$?([A-Z_]+)", text)) & ours
        assert used <= TARGETS[name].takes, name


def test_every_target_is_checked_before_anything_else() -> None:
    recipes = re.findall(r"^([a-z][a-z.-]*):.*\n(?:if.*\n)?\t(.*)\n", MAKEFILE, re.MULTILINE)
    unchecked = {
        name for name, first in recipes if not re.search(r"\$\(call |READY|--for|check \$@", first)
    }
    assert unchecked == {"clean", "help"}
