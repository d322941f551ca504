import json
import re

import pytest
from typer.testing import CliRunner

from triage_assets.cli import app
from triage_assets.scoring.runtimes.choice import PRECISIONS, RUNTIMES, is_installed

from .reference import EXPECTED, MODEL, SAMPLE, differences

KEYS = ["name", "is_positive", "trigger_frame_index", "max_probability", "details"]
FOLDERS = sorted(path for path in (SAMPLE / "sequences").iterdir() if path.is_dir())


def score(*arguments):
    return CliRunner().invoke(app, ["score", "--model", str(MODEL), *map(str, arguments)])


def test_json_is_one_object_a_line_with_the_scores_of_the_reference():
    result = score("--json", *FOLDERS)
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["name"] for row in rows] == [folder.name for folder in FOLDERS]
    for row in rows:
        expected = {"name": row["name"], **EXPECTED[row["name"]]}
        assert list(row) == KEYS
        assert differences(row, {key: expected[key] for key in KEYS}) == []


def test_a_folder_that_cannot_be_scored_does_not_stop_the_others(tmp_path):
    result = score("--json", FOLDERS[0], tmp_path / "nothing", FOLDERS[1])
    assert result.exit_code == 1
    assert [json.loads(line)["name"] for line in result.stdout.splitlines()] == [FOLDERS[0].name, FOLDERS[1].name]
    assert "detections.json cannot be read" in " ".join(result.stderr.split())


def test_a_lower_precision_shows_in_the_output():
    lower = score("--json", "--precision", "bfloat16", "--device", "cpu", FOLDERS[0])
    assert lower.exit_code == 0, lower.output
    assert list(json.loads(lower.stdout)) == [*KEYS, "runtime"]
    assert json.loads(lower.stdout)["runtime"] == "torch cpu bfloat16"
    assert "(torch cpu bfloat16)" in score("--precision", "bfloat16", "--device", "cpu", FOLDERS[0]).stdout


@pytest.mark.parametrize(
    ("option", "words"),
    [
        (["--runtime", "abacus"], "no such runtime"),
        (["--device", "abacus"], "device for scoring cannot be used"),
        (["--precision", "int4"], "no such precision"),
    ],
)
def test_what_cannot_be_run_on_is_refused_in_a_sentence(option, words):
    result = score(*option, FOLDERS[0])
    assert result.exit_code == 1
    assert words in " ".join(result.stderr.split())


# The doctor


def doctor(*arguments):
    return CliRunner().invoke(app, ["doctor", *map(str, arguments)])


def rows_of_runtimes(output):
    pattern = r" +((?:torch|openvino) \S+ \S+) +(\d+\.\d) +(\S+) +(\S+)"
    found = [match.groups() for line in output.splitlines() if (match := re.fullmatch(pattern, line))]
    return {runtime: tuple(map(float, numbers)) for runtime, *numbers in found}


def test_the_doctor_measures_every_runtime_of_a_model():
    result = doctor("--model", MODEL)
    assert result.exit_code == 0, result.output
    rows = rows_of_runtimes(result.stdout)
    runtimes = [runtime for runtime in RUNTIMES if is_installed(runtime)]
    assert set(rows) >= {f"{runtime} cpu {precision}" for runtime in runtimes for precision in PRECISIONS}
    assert rows["torch cpu float32"][1:] == (0.0, 0.0)
    for runtime, (crops_per_second, largest, mean) in rows.items():
        assert crops_per_second > 0
        assert mean <= largest < (1e-4 if runtime.endswith("float32") else 1)
    assert all(rows[runtime][1] > 0 for runtime in rows if runtime.endswith("bfloat16"))


def test_the_doctor_measures_the_model_of_the_settings(monkeypatch):
    monkeypatch.setenv("TRIAGE_MODEL", str(MODEL))
    assert "0.0.0-random-tiny" in doctor("--model").stdout


def test_a_model_that_cannot_be_loaded_is_a_sentence(tmp_path):
    result = doctor("--model", tmp_path / "missing.zip")
    assert result.exit_code == 1
    assert "missing.zip cannot be read" in " ".join(result.stderr.split())


def test_a_path_without_model_is_refused():
    assert "a path goes with --model" in doctor("model.zip").output
