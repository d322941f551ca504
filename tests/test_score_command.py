"""`triage score` and the settings: they say what the network runs on, unless an option does."""

import json

import pytest
from typer.testing import CliRunner

from tests.scoring.reference import MODEL, SAMPLE
from triage_assets.cli import app
from triage_assets.scoring.records import OPENVINO
from triage_assets.scoring.runtimes.choice import is_installed


def runtime_of(*options: str) -> str | None:
    """What the output says that a sequence was scored on; None for the usual float32."""
    folder = SAMPLE / "sequences/two_frames"
    result = CliRunner().invoke(app, ["score", "--model", str(MODEL), "--json", *options, str(folder)])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout).get("runtime")


def test_a_setting_holds_until_an_option_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_DEVICE", "cpu")
    monkeypatch.setenv("TRIAGE_PRECISION", "bfloat16")
    assert runtime_of() == "torch cpu bfloat16", "auto is torch: a few folders are not worth measuring for"
    assert runtime_of("--precision", "float32") is None


@pytest.mark.skipif(not is_installed(OPENVINO), reason="NOT TESTED, the extra openvino is not installed")
def test_the_runtime_of_the_settings_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_RUNTIME", OPENVINO)
    assert runtime_of("--precision", "bfloat16") == "openvino cpu bfloat16"
    assert runtime_of("--precision", "bfloat16", "--runtime", "auto", "--device", "cpu") == "torch cpu bfloat16"


def test_a_setting_that_cannot_be_used_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIAGE_RUNTIME", "abacus")
    result = CliRunner().invoke(app, ["score", "--model", str(MODEL), str(SAMPLE)])
    assert result.exit_code == 1
    assert "TRIAGE_RUNTIME is 'abacus'" in " ".join(result.stderr.split())
