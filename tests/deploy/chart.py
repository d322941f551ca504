"""What the values of Dagster's Helm chart may be, as far as deploy/kubernetes/values.yaml sets them.

What lives here: the chart's names and types, strictly, so that a slip is no value that the chart silently ignores. What
does not: the chart's own schema, which `helm` applies. Kubernetes' own parts are held against its client's models.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from dagster_k8s.models import k8s_model_from_dict, k8s_snake_case_dict
from kubernetes import client as kubernetes
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


def check_kubernetes(model: type, value: Any) -> Any:
    """The same value: one of Kubernetes' own, without a key that the model does not know."""
    k8s_model_from_dict(model, k8s_snake_case_dict(model, value))
    return value


def _of_kubernetes(model: type) -> AfterValidator:
    return AfterValidator(lambda value: check_kubernetes(model, value))


Kubernetes = Mapping[str, Any]
PodSecurity = Annotated[Kubernetes, _of_kubernetes(kubernetes.V1PodSecurityContext)]
Security = Annotated[Kubernetes, _of_kubernetes(kubernetes.V1SecurityContext)]
Resources = Annotated[Kubernetes, _of_kubernetes(kubernetes.V1ResourceRequirements)]
Variable = Annotated[Kubernetes, _of_kubernetes(kubernetes.V1EnvVar)]
Secret = Annotated[Kubernetes, _of_kubernetes(kubernetes.V1SecretEnvSource)]
Volume = Annotated[Kubernetes, _of_kubernetes(kubernetes.V1Volume)]
Mount = Annotated[Kubernetes, _of_kubernetes(kubernetes.V1VolumeMount)]


class Part(BaseModel):
    """Nothing but what is named; in the chart's spelling."""

    model_config = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel, hide_input_in_errors=True)


class Enabled(Part):
    enabled: bool


class Image(Part):
    repository: str
    tag: str
    pull_policy: Literal["Always", "IfNotPresent", "Never"]


class Container(Part):
    """What every part of the chart that is a container may have."""

    image: Image
    env: list[Variable] = []
    env_secrets: list[Secret]
    pod_security_context: PodSecurity
    security_context: Security
    resources: Resources
    volumes: list[Volume]
    volume_mounts: list[Mount]


class UserDeployment(Container):
    name: str
    dagster_api_grpc_args: list[str]
    port: int
    include_config_in_launched_runs: Enabled


class UserDeployments(Enabled):
    deployments: list[UserDeployment]


class RunContainer(Part):
    resources: Resources


class RunConfig(Part):
    container_config: RunContainer


class K8sRunLauncher(Part):
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"]
    run_k8s_config: RunConfig = Field(alias="runK8sConfig")


class RunLaunchers(Part):
    k8s_run_launcher: K8sRunLauncher = Field(alias="k8sRunLauncher")


class RunLauncher(Part):
    type: Literal["K8sRunLauncher"]
    config: RunLaunchers


class RunCoordinator(Enabled):
    type: Literal["QueuedRunCoordinator"]


class RunMonitoring(Enabled):
    start_timeout_seconds: int
    cancel_timeout_seconds: int
    max_runtime_seconds: int
    poll_interval_seconds: int
    free_slots_after_run_end_seconds: int


class RunRetries(Enabled):
    max_retries: int
    retry_on_asset_or_op_failure: bool


class Sensors(Part):
    use_threads: bool
    num_workers: int


class Daemon(Container):
    run_coordinator: RunCoordinator
    run_monitoring: RunMonitoring
    run_retries: RunRetries
    sensors: Sensors


class PerValue(Part):
    apply_limit_per_unique_value: bool


class TagLimit(Part):
    key: str
    value: str | PerValue | None = None
    limit: int


class Pools(Part):
    default_limit: int
    granularity: Literal["op", "run"]


class Runs(Part):
    max_concurrent_runs: int
    tag_concurrency_limits: list[TagLimit]


class Concurrency(Enabled):
    pools: Pools
    runs: Runs


class S3ComputeLogs(Part):
    bucket: str
    prefix: str
    skip_empty_files: bool
    upload_interval: int


class ComputeLogManagers(Part):
    s3_compute_log_manager: S3ComputeLogs


class ComputeLogs(Part):
    type: Literal["S3ComputeLogManager"]
    config: ComputeLogManagers


class Days(Part):
    skipped: int
    success: int
    failure: int
    started: int


class Ticks(Part):
    purge_after_days: int | Days


class Retention(Enabled):
    sensor: Ticks
    schedule: Ticks


class Service(Part):
    port: int


class Postgresql(Enabled):
    postgresql_host: str
    postgresql_username: str
    postgresql_database: str
    service: Service


class Global(Part):
    postgresql_secret_name: str
    dagster_home: str


class Values(Part):
    """The values."""

    global_: Global = Field(alias="global")
    generate_postgresql_password_secret: bool
    postgresql: Postgresql
    user_deployments: UserDeployments = Field(alias="dagster-user-deployments")
    run_launcher: RunLauncher
    dagster_webserver: Container
    dagster_daemon: Daemon
    concurrency: Concurrency
    compute_log_manager: ComputeLogs
    retention: Retention
    telemetry: Enabled
    migrate: Enabled
    additional_instance_config: Mapping[str, Any]
    rabbitmq: Enabled
    redis: Enabled
    flower: Enabled
