"""What docs/bucket.md says of Dagster's compute logs, tried on a server."""

import re
from pathlib import Path

import dagster as dg
import yaml

from tests.s3_server import PLAIN, S3Server

DOCUMENT = (Path(__file__).parents[1] / "docs/bucket.md").read_text("utf-8")


@dg.job
def talk() -> None:
    @dg.op
    def say(context: dg.OpExecutionContext) -> None:
        print("what a step printed")

    say()


def test_the_compute_logs_of_the_document_are_in_the_bucket(s3: S3Server, tmp_path: Path) -> None:
    (snippet,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    settings = yaml.safe_load(snippet)
    settings["compute_logs"]["config"]["bucket"] = PLAIN
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(settings))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert talk.execute_in_process(instance=instance).success
    logs = [key for key in s3.stored_keys() if key.startswith("dagster-logs/")]
    assert any("what a step printed" in s3.backend.buckets[PLAIN].keys[key].value.decode() for key in logs)
