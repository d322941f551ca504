"""The code location as a whole: it loads from nothing, and holds exactly what is written here."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from triage_assets.definitions import defs
from triage_assets.defs.automation import SCHEDULES, SENSORS
from triage_assets.demo import DEMO_MODEL

GRAPH = {
    "raw_sequences": set(),
    "frame_shards": {"raw_sequences"},
    "predictions": {"raw_sequences", "frame_shards"},
    "org_predictions": {"predictions"},
    "sequence_groups": {"raw_sequences"},
    "worklists": {"raw_sequences", "sequence_groups", "predictions"},
}
PROBE = """
import pathlib, socket
def refuse(*_, **__): raise AssertionError("network while loading")
socket.socket.connect = refuse
from triage_assets.definitions import defs
import sys
print(sorted(p.name for p in pathlib.Path().iterdir()), "torch" in sys.modules)
"""


def test_the_graph_is_the_one_that_is_documented() -> None:
    graph = defs.resolve_asset_graph()
    found = {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }
    assert found == GRAPH


def test_definitions_load_from_an_empty_environment_and_leave_no_trace(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE], cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True
    )
    assert (done.stdout.strip(), done.returncode) == ("[] False", 0), done.stderr


@pytest.mark.parametrize(("value", "expected"), [("", str(DEMO_MODEL)), ("{copy}", "{copy}"), ("/nowhere.zip", None)])
def test_the_version_of_predictions_is_the_hash_of_the_model(tmp_path: Path, value: str, expected: str | None) -> None:
    copy = tmp_path / "model.zip"
    copy.write_bytes(DEMO_MODEL.read_bytes() + b"\0")
    code = "from triage_assets.definitions import defs; g = defs.resolve_asset_graph();"
    code += "import dagster as dg; print(g.get(dg.AssetKey('predictions')).code_version)"
    environment = {"PATH": os.environ["PATH"], "TRIAGE_MODEL": value.format(copy=copy)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    file = expected and Path(expected.format(copy=copy))
    assert done.stdout.strip() == (hashlib.sha256(file.read_bytes()).hexdigest() if file else "None")


def test_only_groups_and_the_split_follow_by_themselves() -> None:
    on = {sensor.name for sensor in SENSORS if sensor.default_status == dg.DefaultSensorStatus.RUNNING}
    assert on == {"follow_changes"}
    assert {schedule.default_status for schedule in SCHEDULES} == {dg.DefaultScheduleStatus.STOPPED}


def test_every_setting_of_every_asset_is_described() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.materializable_asset_keys:
        op = graph.get(key).assets_def.op
        for name, field in getattr(op.config_schema.as_field().config_type, "fields", {}).items():
            assert field.description, f"{key.to_user_string()}.{name}"


def test_the_file_that_makes_the_bare_command_work_is_installed() -> None:
    code = "import os; print(os.environ['DAGSTER_CLI_ASSET_MATERIALIZE_MODULE_NAME'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "triage_assets.definitions"
