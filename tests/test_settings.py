"""Settings: where values come from, and what is said when one is missing or wrong."""

import re
from pathlib import Path

import pytest

from triage_assets.errors import SettingsError
from triage_assets.groups.records import IOU_THRESHOLD
from triage_assets.scoring.records import AUTO, BFLOAT16, FLOAT32, RuntimeChoice
from triage_assets.settings import load_settings, require_annotator


def test_defaults_need_no_environment() -> None:
    settings = load_settings()
    assert (settings.triage_store, settings.triage_max_in_flight, settings.model_paths) == ("data", 32, ())
    assert (settings.runtime_choice, settings.triage_scoring_cluster) == (RuntimeChoice(), None)


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


def test_what_a_run_is_given_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_DEVICE", "cuda:1")
    monkeypatch.setenv("TRIAGE_PRECISION", BFLOAT16)
    settings = load_settings(triage_precision=FLOAT32, triage_device=None)
    assert settings.runtime_choice == RuntimeChoice(AUTO, "cuda:1", FLOAT32)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("tcp://scheduler:8786", "tcp://scheduler:8786"),
        ("scheduler:8786", "tcp://scheduler:8786"),  # as Dask's own commands take it
        ("tls://[fd00::1]:8786", "tls://[fd00::1]:8786"),
    ],
)
def test_a_cluster_is_named_by_its_address(monkeypatch: pytest.MonkeyPatch, value: str, address: str) -> None:
    monkeypatch.setenv("TRIAGE_SCORING_CLUSTER", value)
    assert load_settings().triage_scoring_cluster == address


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("TRIAGE_SCORING_CLUSTER", "http://scheduler:8787/status", "dashboard"),  # what Dask prints beside the address
        ("TRIAGE_SCORING_CLUSTER", "tcp://scheduler", "expected a host and a port"),
        ("TRIAGE_SCORING_CLUSTER", "tcp://scheduler:port", "'port'"),
        ("TRIAGE_SCORING_CLUSTER", "s3://bucket:1", "like tcp://scheduler:8786"),
        ("TRIAGE_STORE", "s3:/bucket/prefix", "expected a folder or s3://bucket/prefix"),  # else a folder "s3:"
        ("TRIAGE_RUNTIME", "onnx", "'auto', 'torch' or 'openvino'"),
        ("TRIAGE_PRECISION", "int8", "'float32' or 'bfloat16'"),
        ("TRIAGE_DEVICE", "GPU 1", "cuda:1"),
        ("TRIAGE_DAGSTER_URL", "dagster.example.org", "the address of a page"),
        ("TRIAGE_DAGSTER_URL", "javascript:alert(1)", "the address of a page"),  # it becomes a link
        ("TRIAGE_DAGSTER_URL", "https://me:secret@dagster.example.org", "the address of a page"),
        ("TRIAGE_DAGSTER_URL", "https://dagster.example.org/?a=1", "the address of a page"),
    ],
)
def test_a_wrong_value_is_shown_with_what_was_expected(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings()
    assert f"{name} is {value!r}: " in str(refused.value)
    assert says in str(refused.value)
    assert str(refused.value).endswith("Correct it in the environment or .env.")


def test_a_wrong_value_in_a_run_says_that_it_is_there() -> None:
    with pytest.raises(SettingsError, match=r"Correct it in the run's configuration\."):
        load_settings(triage_runtime="onnx")


def test_missing_settings_are_all_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTATOR_API_LOGIN", "somebody")
    with pytest.raises(SettingsError, match="found ANNOTATOR_API_URL, ANNOTATOR_API_PASSWORD not set"):
        require_annotator(load_settings())


def test_the_password_is_in_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANNOTATOR_API_PASSWORD", "correct horse")
    settings = load_settings()
    assert "horse" not in f"{settings} {settings!r} {settings.model_dump()}"


def test_the_review_database_is_a_file_in_the_store(tmp_path: Path) -> None:
    assert load_settings(triage_store="kept").review_url == f"sqlite:///{tmp_path / 'kept' / 'review.sqlite'}"


def test_the_review_database_of_a_store_in_a_bucket_is_a_file_of_this_user(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))

    def of(store: str) -> str:
        return load_settings(triage_store=store).review_url

    assert re.fullmatch(
        rf"sqlite:///{tmp_path}/triage-assets/fires-a-b-[0-9a-f]{{8}}/review.sqlite", of("s3://fires/a/b")
    )
    assert of("s3://fires/a/b/") == of("s3://fires/a/b")
    assert len({of(f"s3://fires{path}") for path in ("", "/a-b", "/a/b", "/../a/b")}) == 4
    monkeypatch.setenv("XDG_DATA_HOME", "relative")  # to be ignored, by the same rules
    monkeypatch.setenv("HOME", "/home/ada")
    assert of("s3://fires").startswith("sqlite:////home/ada/.local/share/triage-assets/fires-")


def test_the_password_of_the_review_database_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_REVIEW_DB", "postgresql+psycopg://triage:hidden@localhost/triage")
    settings = load_settings()
    assert "hidden" not in repr(settings)
    assert settings.review_url.endswith("triage:hidden@localhost/triage")


def test_an_unknown_joining_policy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_JOINING", "sometimes")
    with pytest.raises(SettingsError, match="TRIAGE_JOINING is 'sometimes'"):
        load_settings()


@pytest.mark.parametrize("value", ["1", "-0.1", "nan", "much"])
def test_an_overlap_that_nothing_or_everything_has_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TRIAGE_IOU_THRESHOLD", value)
    with pytest.raises(SettingsError, match="TRIAGE_IOU_THRESHOLD is"):
        load_settings()


def test_a_run_may_have_another_overlap_than_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().triage_iou_threshold == IOU_THRESHOLD
    monkeypatch.setenv("TRIAGE_IOU_THRESHOLD", "0.4")
    assert load_settings(triage_iou_threshold=None).triage_iou_threshold == 0.4
    assert load_settings(triage_iou_threshold=0.0).triage_iou_threshold == 0.0
