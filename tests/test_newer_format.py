"""A store that a newer version wrote is refused by every command that would read or change it, and stays as it is."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.exchange.folders import make_loose
from tests.sharing.stores import make_store
from triage_assets.cli import app


@pytest.mark.parametrize(
    "command",
    [
        "import loose",
        "export eval-viewer out",
        "export frames out",
        "export parquet out.parquet",
        "export csv out.csv",
        "shards verify",
        "shards reindex",
        "shards compact --at-most 1",
        "shards gc --days 0",
        "publish there",
        "fetch there",
    ],
)
def test_a_store_of_a_newer_format_is_refused_and_left_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    make_store(tmp_path / "store")
    make_loose(tmp_path / "loose", {5: (50, 51)})
    make_store(tmp_path / "there")
    (tmp_path / "store/store.json").write_text('{"format_version": 99, "annotator": "loopback"}')
    monkeypatch.setenv("TRIAGE_STORE", str(tmp_path / "store"))
    monkeypatch.chdir(tmp_path)
    before = contents(tmp_path)
    result = CliRunner().invoke(app, command.split())
    assert result.exit_code == 1
    assert "newer version of this project; found format version 99" in " ".join(result.output.split())
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
