"""With CI=true nothing is left out; elsewhere what is left out is said."""

import pytest

from housekeeping import ROOT

pytest_plugins = ["pytester"]

WAYS_TO_LEAVE_OUT = {
    "a mark": "@pytest.mark.skip(reason='not today')\ndef test_it(): pass",
    "a condition": "@pytest.mark.skipif(True, reason='not today')\ndef test_it(): pass",
    "a call": "def test_it(): pytest.skip('not today')",
    "an expected failure": "@pytest.mark.xfail(reason='not today')\ndef test_it(): assert False",
    "an unexpected pass": "@pytest.mark.xfail(reason='not today')\ndef test_it(): pass",
    "an imperative failure": "def test_it(): pytest.xfail('not today')",
    "a fixture": "@pytest.fixture\ndef it(): pytest.skip('not today')\ndef test_it(it): pass",
    "a module": "pytest.skip('not today', allow_module_level=True)",
    "an import": "pytest.importorskip('no_such_module', reason='not today')",
}


@pytest.fixture
def sandbox(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty project with this house's conftest.py."""
    pytester.makeconftest((ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers = needs(name)\n")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tools"))
    monkeypatch.delenv("CI", raising=False)
    return pytester


def test_ci_fails_what_is_left_out(
    sandbox: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    for way, text in WAYS_TO_LEAVE_OUT.items():
        sandbox.path.joinpath(f"test_{way.replace(' ', '_')}.py").write_text(
            f"import pytest\n{text}\n", encoding="utf-8"
        )
    at_home = sandbox.runpytest_subprocess()
    assert at_home.ret == pytest.ExitCode.OK
    assert not {"failed", "errors"} & set(at_home.parseoutcomes())

    monkeypatch.setenv("CI", "true")
    in_ci = sandbox.runpytest_subprocess("-rfE", "--continue-on-collection-errors")
    summary = in_ci.stdout.str().split("short test summary info")[-1]
    for way in WAYS_TO_LEAVE_OUT:
        assert f"test_{way.replace(' ', '_')}.py" in summary, way
    outcomes = in_ci.parseoutcomes()
    assert set(outcomes) == {"failed", "errors"}
    assert sum(outcomes.values()) == len(WAYS_TO_LEAVE_OUT)
    in_ci.stdout.fnmatch_lines(["*CI runs every test*not today*"])


def test_what_a_machine_lacks_is_left_out_and_said(
    sandbox: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.makepyfile(
        """
        import pytest

        @pytest.mark.needs("chromium")
        def test_in_a_browser(): pass

        def test_without(): pass
        """
    )
    monkeypatch.setattr("shutil.which", lambda _: None)
    at_home = sandbox.runpytest_inprocess()
    at_home.assert_outcomes(passed=1, deselected=1)
    at_home.stdout.fnmatch_lines(["1 left out, because chromium is missing*apt install chromium"])

    monkeypatch.setenv("CI", "true")
    in_ci = sandbox.runpytest_inprocess()
    in_ci.assert_outcomes(passed=1, errors=1)
    in_ci.stdout.fnmatch_lines(["*This test needs chromium, and it is not installed."])


def test_what_debian_does_not_have_is_left_out_with_its_own_remedy(
    sandbox: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox.makepyfile("import pytest\n@pytest.mark.needs('terraform')\ndef test_it(): pass")
    monkeypatch.setattr("shutil.which", lambda _: None)
    at_home = sandbox.runpytest_inprocess()
    at_home.assert_outcomes(deselected=1)
    at_home.stdout.fnmatch_lines(
        ["1 left out, because terraform is missing*install it as https://*/install says"]
    )


def test_a_need_that_nobody_lists_is_an_error(sandbox: pytest.Pytester) -> None:
    sandbox.makepyfile("import pytest\n@pytest.mark.needs('abacus')\ndef test_it(): pass")
    result = sandbox.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*needs 'abacus', which requirements/debian.txt does not list*"])
