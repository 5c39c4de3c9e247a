"""The house's rules for every test: what may run side by side, and nothing is left out silently."""

import os
import signal
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.scheduler.protocol import Scheduling

from housekeeping import debian

IN_CI = os.environ.get("CI", "").lower() in {"true", "1"}

# Long ones start first, so that the others fill the time beside them.
LONG = (
    "tests/cloud/test_deploy.py",
    "tests/system/on_terraform",
    "tests/image/test_pipeline.py",
    "tests/image/test_roles.py",
    "tests/terraform",
    "tests/system",
)
# Where tests run side by side, a module's share a process, as they share fixtures. In these
# folders all modules share a costly system; in these modules each test has a system of its own.
TOGETHER = ("tests/system", "tests/system/faults", "tests/system/on_terraform")
EACH_ALONE = ("tests/image/test_roles.py", "tests/terraform/test_modules.py")

_LEFT_OUT = pytest.StashKey[list[str]]()


def pytest_configure() -> None:
    """Gives Ctrl-C its meaning back: whoever runs tests in the background has it ignored.

    What is ignored stays ignored in every process that a test starts, and some of the tests stop
    those the way a person does.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With CI=true, a skipped or expectedly failing test has failed."""
    report = yield
    if IN_CI and (report.skipped or (report.passed and hasattr(report, "wasxfail"))):
        why = getattr(report, "wasxfail", "") or report.longreprtext
        report.outcome = "failed"
        report.longrepr = f"CI runs every test, and this one was left out: {why}"
        vars(report).pop("wasxfail", None)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """With CI=true, a module that leaves itself out has failed."""
    report = yield
    if IN_CI and report.skipped:
        report.outcome = "failed"
        report.longrepr = f"CI runs every test, and this module was left out: {report.longrepr}"
    return report


class _Sharing(LoadScopeScheduling):  # type: ignore[misc]  # xdist hides its types
    """Hands out what shares a process, in the order in which the tests are sorted."""

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        if str(path) in EACH_ALONE:
            return nodeid
        return str(path.parent if str(path.parent) in TOGETHER else path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Puts tests that share something into one process."""
    config.option.loadscopereorder = False
    return _Sharing(config, log)


def pytest_xdist_auto_num_workers() -> int:
    """One process more than processors: now and then each waits for what it has started."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sorts the tests, and leaves out those whose needs this machine does not meet."""
    items.sort(key=_start)
    _leave_out(config, items)


def _start(item: pytest.Item) -> int:
    path = item.path.relative_to(item.config.rootpath)
    return next((at for at, long in enumerate(LONG) if path.is_relative_to(long)), len(LONG))


def _leave_out(config: pytest.Config, items: list[pytest.Item]) -> None:
    """In CI nothing is left out: what lacks its needs runs, and fails."""
    known = {need.name: need for need in debian.needs()}
    left_out: dict[str, list[pytest.Item]] = {}
    for item in items:
        for name in _needs(item):
            if name not in known:
                raise pytest.UsageError(
                    f"{item.nodeid} needs {name!r}, which requirements/debian.txt does not list."
                )
            if known[name].found() is None:
                left_out.setdefault(name, []).append(item)
    if IN_CI or not left_out:
        return
    gone = {item for group in left_out.values() for item in group}
    items[:] = [item for item in items if item not in gone]
    config.hook.pytest_deselected(items=list(gone))
    config.stash[_LEFT_OUT] = [
        f"{len(group)} left out, because {name} is missing ({known[name].used_for});"
        f" to run them: {known[name].remedy}"
        for name, group in left_out.items()
    ]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Says in one sentence what a test lacks, where it may not be left out."""
    known = {need.name: need for need in debian.needs()}
    for name in _needs(item):
        if known[name].found() is None:
            pytest.fail(f"This test needs {name}, and it is not installed.", pytrace=False)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Tells the process that reports what this one has left out."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["left out"] = session.config.stash.get(_LEFT_OUT, [])


def pytest_testnodedown(node: Any) -> None:
    """Each process has left out the same."""
    node.config.stash[_LEFT_OUT] = getattr(node, "workeroutput", {}).get("left out", [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Lists what was left out."""
    for line in terminalreporter.config.stash.get(_LEFT_OUT, []):
        terminalreporter.write_line(line, yellow=True)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser; the test is marked `@pytest.mark.needs("chromium")`."""
    need = next(need for need in debian.needs() if need.name == "chromium")
    path = need.found()
    if path is None:
        pytest.fail("This test needs chromium, and it is not installed.", pytrace=False)
    return path


def _needs(item: pytest.Item) -> Iterator[str]:
    for mark in item.iter_markers("needs"):
        yield from mark.args
