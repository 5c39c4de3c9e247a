from pathlib import Path

import pytest

from aistratus_desktop.settings import Settings, SettingsError, load_settings

GOOD = {
    "AISTRATUS_API_URL": "https://api.example",
    "AISTRATUS_LOGIN_URL": "https://login.example/",
    "AISTRATUS_CLIENT_ID": "app",
    "AISTRATUS_REGION": "eu-central-1",
}


def test_settings_come_from_the_environment(tmp_path: Path) -> None:
    assert load_settings(GOOD, tmp_path) == Settings(
        "https://api.example", "https://login.example", "app", "eu-central-1"
    )


def test_the_file_of_a_deployment_stands_below_the_environment(tmp_path: Path) -> None:
    lines = [f"{name}='{value}'" for name, value in GOOD.items()]
    text = "\n".join(["# written by make deploy", "", "export OTHER=1", *lines])
    (tmp_path / ".env_public").write_text(text, encoding="utf-8")
    settings = load_settings({"AISTRATUS_CLIENT_ID": "mine"}, tmp_path)
    assert settings.api_url == "https://api.example"
    assert settings.client_id == "mine"


def test_the_environment_can_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "elsewhere"
    path.write_text("\n".join(f"{name}={value}" for name, value in GOOD.items()), encoding="utf-8")
    assert load_settings({"AISTRATUS_ENV_FILE": str(path)}, Path("/")).client_id == "app"


def test_a_named_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"AISTRATUS_ENV_FILE names .* which is no file"):
        load_settings({**GOOD, "AISTRATUS_ENV_FILE": str(tmp_path / "none")}, tmp_path)


@pytest.mark.parametrize("name", GOOD)
def test_what_is_missing_is_named_with_a_next_step(name: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=f"{name} is not set. Start with `make demo`"):
        load_settings({**GOOD, name: " "}, tmp_path)


@pytest.mark.parametrize(
    "url", ["http://api.example", "ftp://api.example", "api.example", "https://", "javascript:x"]
)
def test_tokens_travel_only_over_tls(url: str, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="AISTRATUS_API_URL is"):
        load_settings({**GOOD, "AISTRATUS_API_URL": url}, tmp_path)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_on_this_machine_plain_http_is_good(host: str, tmp_path: Path) -> None:
    url = f"http://{host}:8551"
    assert load_settings({**GOOD, "AISTRATUS_API_URL": url}, tmp_path).api_url == url
