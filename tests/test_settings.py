"""Settings: where values come from, and what is said when one is missing or wrong."""

from pathlib import Path

import pytest

from triage_assets.errors import SettingsError
from triage_assets.settings import load_settings, require_annotator


def test_defaults_need_no_environment() -> None:
    settings = load_settings()
    assert (settings.triage_store, settings.triage_max_in_flight, settings.model_paths) == ("data", 32, ())


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("TRIAGE_STORE=from-file\nANNOTATOR_API_LOGIN=somebody\n", encoding="utf-8")
    monkeypatch.setenv("TRIAGE_STORE", "from-environment")
    settings = load_settings()
    assert (settings.triage_store, settings.annotator_api_login) == ("from-environment", "somebody")


def test_several_models_are_separated_like_a_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_MODEL", "a/model.zip:b/model.zip:")
    assert load_settings().model_paths == (Path("a/model.zip"), Path("b/model.zip"))


@pytest.mark.parametrize("value", ["0", "-3", "many", "1000000"])
def test_a_wrong_number_names_its_variable(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TRIAGE_MAX_IN_FLIGHT", value)
    with pytest.raises(SettingsError, match="TRIAGE_MAX_IN_FLIGHT"):
        load_settings()


def test_missing_settings_are_all_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTATOR_API_LOGIN", "somebody")
    with pytest.raises(SettingsError, match="found ANNOTATOR_API_URL, ANNOTATOR_API_PASSWORD not set"):
        require_annotator(load_settings())


def test_the_password_is_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTATOR_API_PASSWORD", "correct horse")
    settings = load_settings()
    assert "horse" not in f"{settings} {settings!r} {settings.model_dump()}"
