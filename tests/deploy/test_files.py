"""The files below deploy/: each is what its program takes, they agree with each other, and none holds a secret."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft201909Validator
from kubernetes import client as kubernetes
from pydantic import ValidationError

from tests.deploy.chart import Values, check_kubernetes
from triage_assets.settings import Settings

PROJECT = Path(__file__).resolve().parents[2]
DEPLOY = PROJECT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if name != "postgres"}
INSTANCE = yaml.safe_load((DEPLOY / "dagster.yaml").read_text("utf-8"))
VALUES = yaml.safe_load((DEPLOY / "kubernetes/values.yaml").read_text("utf-8"))
VIEWER, VIEWER_SERVICE = yaml.safe_load_all((DEPLOY / "kubernetes/viewer.yaml").read_text("utf-8"))
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN")


def named_variables(value: Any) -> set[str]:
    """Every variable that a part of a dagster.yaml takes from the environment."""
    if isinstance(value, dict):
        if set(value) == {"env"}:
            return {value["env"]}
        return set().union(*map(named_variables, value.values()))
    return set().union(*map(named_variables, value)) if isinstance(value, list) else set()


def snake(value: Any) -> Any:
    """Names of the chart as those of a dagster.yaml."""
    if isinstance(value, dict):
        return {
            key if key == "applyLimitPerUniqueValue" else re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", key): (
                snake(each)
            )
            for key, each in value.items()
        }
    return [snake(each) for each in value] if isinstance(value, list) else value


def test_the_compose_file_is_one_by_the_specifications_schema() -> None:
    # The copy is of docker-compose 1.29.2, under the Apache licence; a project's name was added to the format later.
    schema = json.loads((Path(__file__).parent / "compose_spec.json").read_bytes())
    document = {key: value for key, value in COMPOSE.items() if key != "name"}
    assert [error.message for error in Draft201909Validator(schema).iter_errors(document)] == []


def test_the_values_are_those_of_the_chart() -> None:
    Values.model_validate(VALUES)


def test_a_slip_in_the_values_is_found() -> None:
    slipped = {**VALUES, "dagsterDaemon": {**VALUES["dagsterDaemon"], "runRetry": {"enabled": True}}}
    with pytest.raises(ValidationError, match="runRetry"):
        Values.model_validate(slipped)


def test_the_viewers_manifests_are_those_of_kubernetes() -> None:
    check_kubernetes(kubernetes.V1Deployment, VIEWER)
    check_kubernetes(kubernetes.V1Service, VIEWER_SERVICE)
    assert VIEWER["spec"]["selector"]["matchLabels"] == VIEWER["spec"]["template"]["metadata"]["labels"]
    assert VIEWER_SERVICE["spec"]["selector"] == VIEWER["spec"]["selector"]["matchLabels"]


@pytest.mark.parametrize(
    ("of_the_chart", "of_the_instance"),
    [
        (VALUES["concurrency"]["pools"], INSTANCE["concurrency"]["pools"]),
        (VALUES["concurrency"]["runs"], INSTANCE["concurrency"]["runs"]),
        (VALUES["dagsterDaemon"]["runMonitoring"], INSTANCE["run_monitoring"]),
        (VALUES["dagsterDaemon"]["runRetries"], INSTANCE["run_retries"]),
        (VALUES["dagsterDaemon"]["sensors"], INSTANCE["sensors"]),
        (VALUES["retention"], {"enabled": True, **INSTANCE["retention"]}),
        (VALUES["telemetry"], INSTANCE["telemetry"]),
        (VALUES["additionalInstanceConfig"]["nux"], INSTANCE["nux"]),
        # The chart spells the name of the bucket out.
        (
            VALUES["computeLogManager"]["config"]["s3ComputeLogManager"] | {"bucket": {"env": "DAGSTER_LOGS_BUCKET"}},
            INSTANCE["compute_logs"]["config"],
        ),
    ],
)
def test_both_ways_to_deploy_have_the_same_limits(of_the_chart: Any, of_the_instance: Any) -> None:
    assert snake(of_the_chart) == of_the_instance


@pytest.mark.parametrize("name", [name for name, service in OURS.items() if "dagster.yaml" in str(service)])
def test_a_service_is_given_every_variable_that_its_instance_names(name: str) -> None:
    assert named_variables(INSTANCE) <= set(SERVICES[name]["environment"])


def test_the_viewers_pod_is_given_every_variable_that_its_instance_names() -> None:
    (container,) = VIEWER["spec"]["template"]["spec"]["containers"]
    given = {each["name"] for each in container["env"]} | {"DAGSTER_PG_PASSWORD"}  # which its Secret holds
    assert named_variables(INSTANCE) <= given


def test_every_setting_that_a_file_names_is_one() -> None:
    texts = [path.read_text("utf-8") for path in DEPLOY.rglob("*.yaml")]
    named = {name for text in texts for name in re.findall(r"^\s+((?:TRIAGE|ANNOTATOR)_[A-Z_]+):", text, re.MULTILINE)}
    named |= {name for text in texts for name in re.findall(r"name: ((?:TRIAGE|ANNOTATOR)_[A-Z_]+)", text)}
    assert len(named) > 8
    assert named - {name.upper() for name in Settings.model_fields} == set()


def test_no_file_holds_a_secret() -> None:
    for name, service in SERVICES.items():
        for variable, value in (service.get("environment") or {}).items():
            if SECRET.search(variable):
                # Passed on, or taken from the environment; for the viewer, which has no session, nothing at all.
                assert value in (None, "") or re.fullmatch(r"\$\{[A-Z_]+:[?-].*\}", value), f"{name}: {variable}"
    listed = [*VALUES["dagster-user-deployments"]["deployments"][0]["env"]]
    listed += VIEWER["spec"]["template"]["spec"]["containers"][0]["env"]
    assert [each["name"] for each in listed if SECRET.search(each["name"])] == []
    assert "postgresqlPassword" not in VALUES["postgresql"]
    assert not re.search(r"://[^/\s]*:[^/\s]*@", "".join(path.read_text("utf-8") for path in DEPLOY.rglob("*.yaml")))


@pytest.mark.parametrize("name", list(OURS))
def test_a_service_runs_with_the_least_that_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert all(volume.endswith(":ro") for volume in service.get("volumes", []))
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_only_who_pulls_knows_the_annotator() -> None:
    told = [
        name for name, service in SERVICES.items() if "ANNOTATOR_API_PASSWORD" in (service.get("environment") or {})
    ]
    assert told == ["code"]


@pytest.mark.parametrize(
    ("name", "access_key"),
    [
        ("code", None),  # passed on as it is: the producer's
        ("daemon", "${LOGS_AWS_ACCESS_KEY_ID:-}"),  # what backfills say is put by it
        ("webserver", "${LOGS_AWS_ACCESS_KEY_ID:-}"),  # it shows what steps print
        ("viewer", "${READER_AWS_ACCESS_KEY_ID:-}"),
        ("dask-worker", "${READER_AWS_ACCESS_KEY_ID:-}"),  # the run writes what it scores
        ("dask-scheduler", "none"),
        ("prepare", "none"),
        ("postgres", "none"),
    ],
)
def test_a_service_has_the_keys_of_somebody_who_may_do_no_more_than_it_needs(name: str, access_key: str | None) -> None:
    given = SERVICES[name].get("environment", {})
    assert given.get("AWS_ACCESS_KEY_ID", "none") == access_key
    assert given.get("AWS_SECRET_ACCESS_KEY", "none") == (
        access_key and access_key.replace("ACCESS_KEY_ID", "SECRET_ACCESS_KEY")
    )
    assert ("AWS_SESSION_TOKEN" in given) == (access_key is None)  # another's would not fit


def test_only_runs_have_the_secrets_of_runs_in_a_cluster() -> None:
    told = {
        "runs": VALUES["dagster-user-deployments"]["deployments"][0]["envSecrets"],
        **{part: VALUES[part]["envSecrets"] for part in ("dagsterWebserver", "dagsterDaemon")},
    }
    assert {part: [secret["name"] for secret in secrets] for part, secrets in told.items()} == {
        "runs": ["triage-review", "triage-runs"],
        "dagsterWebserver": ["triage-logs"],
        "dagsterDaemon": ["triage-logs"],
    }


@pytest.mark.parametrize("missing", ["DAGSTER_PG_PASSWORD", "DAGSTER_READER_PASSWORD", "REVIEW_PG_PASSWORD"])
def test_no_role_is_made_where_a_password_is_missing(missing: str) -> None:
    names = {"DAGSTER_PG_PASSWORD", "DAGSTER_READER_PASSWORD", "REVIEW_PG_PASSWORD"} - {missing}
    environment = dict.fromkeys(names, "given") | {"POSTGRES_USER": "postgres", "PATH": ""}  # without a psql to call
    made = subprocess.run(
        ["/bin/sh", DEPLOY / "postgres/create-databases.sh"], env=environment, capture_output=True, text=True
    )
    assert made.returncode != 0
    assert f"{missing}: parameter" in made.stderr


def test_the_image_runs_as_nobody_in_particular() -> None:
    lines = (DEPLOY / "Dockerfile").read_text("utf-8").splitlines()
    users = [line for line in lines if line.startswith("USER")]
    uid = VALUES["dagsterWebserver"]["podSecurityContext"]["runAsUser"]
    assert users == [f"USER {uid}:{uid}"]
    assert lines[-1] == users[0]
    assert f"--uid {uid} " in "".join(lines)


def test_the_image_is_made_of_files_that_are_there() -> None:
    wanted = [line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text("utf-8").split() if line[0] == "!"]
    assert [name for name in wanted if not (PROJECT / name).exists()] == []
    assert {"constraints.txt", "hatch_build.py", "pyproject.toml", "README.md", "viewer"} <= set(wanted)


@pytest.mark.parametrize("name", [name for name, service in OURS.items() if "healthcheck" in service])
def test_what_looks_whether_a_service_is_well_is_a_command(name: str) -> None:
    _, program, *arguments = SERVICES[name]["healthcheck"]["test"]
    if program == "python":
        compile(arguments[-1], name, "exec")
    else:
        assert_is_command([program, *arguments])


@pytest.mark.parametrize("name", ["code", "webserver", "daemon"])
def test_what_a_service_runs_is_a_command(name: str) -> None:
    assert_is_command(SERVICES[name]["command"])


def test_the_code_location_is_where_webserver_and_daemon_look_for_it() -> None:
    ((server,),) = [each.values() for each in yaml.safe_load((DEPLOY / "workspace.yaml").read_text())["load_from"]]
    command = SERVICES[server["host"]]["command"]
    assert command[command.index("--port") + 1] == str(server["port"])


def assert_is_command(words: list[str]) -> None:
    """Dagster's own programs say of options that they do not know that they do not."""
    from dagster._cli import cli as dagster
    from dagster._daemon.cli import cli as dagster_daemon
    from dagster_webserver.cli import dagster_webserver

    program = {"dagster": dagster, "dagster-daemon": dagster_daemon, "dagster-webserver": dagster_webserver}[words[0]]
    answered = CliRunner().invoke(program, [*words[1:], "--help"])
    assert answered.exit_code == 0, answered.output
    known = set(re.findall(r"--[a-z-]+", answered.output))
    assert {word for word in words if word.startswith("--")} <= known


def test_a_variable_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "dagster.yaml").write_bytes((DEPLOY / "dagster.yaml").read_bytes())
    with pytest.raises(Exception, match="DAGSTER_PG_") as caught:
        dg.DagsterInstance.from_config(str(tmp_path))
    assert "not set" in str(caught.value)
