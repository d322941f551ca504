import json

from typer.testing import CliRunner

from triage_assets.cli import app

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
