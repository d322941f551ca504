"""The steps of docs/sharing.md with the real DVC, a local remote and a clean clone.

DVC is installed into an environment of its own, as a user with pipx has it, which later runs find again.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.shards.shard_backlogs import KEY
from tests.sharing.stores import contents, copy_folder, live_frames, pack
from tests.stores import ROOT
from tests.viewer.frames_store import MODEL, load_backlog
from tests.viewer.triage_stores import serve_store
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.predictions import score_backlog
from triage_assets.scoring.records import BFLOAT16, TORCH, RuntimeChoice
from triage_assets.shards.catalog import load_frames
from triage_assets.shards.verify import verify_shards

VERSION = "3.67.1"
ADD, LOOK = re.findall(r"```bash\n(.*?)```", (ROOT / "docs/sharing.md").read_text("utf-8"), re.DOTALL)

pytestmark = pytest.mark.timeout(600)  # the first run on a machine installs DVC


@pytest.fixture(scope="session")
def dvc() -> Path:
    """The folder that has the command, which is installed where it is not there yet."""
    installed = shutil.which("dvc")
    if installed is not None:
        return Path(installed).parent
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "triage-assets"
    cache.mkdir(parents=True, exist_ok=True)
    environment = cache / f"dvc-{VERSION}"
    with (cache / "dvc.lock").open("w") as lock:  # several processes test at once
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (environment / "installed").exists():
            pip = [environment / "bin/python", "-m", "pip", "install", "-qq", "--disable-pip-version-check"]
            try:
                for command in ([sys.executable, "-m", "venv", "--clear", environment], [*pip, f"dvc=={VERSION}"]):
                    subprocess.run(command, check=True, capture_output=True, text=True, timeout=400)
            except (subprocess.SubprocessError, OSError) as error:
                pytest.skip(f"NOT TESTED, the store in DVC: dvc=={VERSION} cannot be installed here ({error:.200})")
            (environment / "installed").touch()
    return environment / "bin"


@dataclass(frozen=True)
class Repository:
    """A Git repository with DVC and a remote beside it."""

    folder: Path
    remote: Path
    bin: Path

    def run(self, script: str) -> str:
        environment = {
            **os.environ,
            "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.folder.parent),
            "REPOSITORY": str(self.folder),
            "DVC_NO_ANALYTICS": "1",
            **{f"GIT_{who}_{what}": "me" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
        }
        done = subprocess.run(
            ["bash", "-ec", script], cwd=self.folder, env=environment, stdout=-1, stderr=-2, text=True
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    def objects(self) -> dict[str, Path]:
        """What the remote has, by its md5."""
        return objects_below(self.remote)


def objects_below(folder: Path) -> dict[str, Path]:
    files = (file for file in (folder / "files/md5").rglob("*") if file.is_file())
    return {file.parent.name + file.name: file for file in files}


@pytest.fixture
def repository(dvc: Path, made: Path, tmp_path: Path) -> Repository:
    """A repository with the small store in it, and nothing of it in DVC yet."""
    folder = tmp_path / "repository"
    folder.mkdir()
    found = Repository(folder, tmp_path / "remote", dvc)
    found.run(f"git init -q && dvc init -q && dvc remote add -q -d storage {found.remote}")
    found.run("git add -A && git commit -qm Begin")
    copy_folder(made, folder / "data")
    return found


def score_again(store: FolderStore) -> None:
    """Score everything in another precision, which has predictions of its own."""
    choice = RuntimeChoice(TORCH, "cpu", BFLOAT16)
    assert score_backlog(store, MODEL, {KEY: partial(load_backlog, store)}, choice=choice).n_scored


def frame_digests(store: FolderStore) -> set[str]:
    return {hashlib.md5(store.read(found.path)).hexdigest() for found in store.list("shards")}


def test_a_store_goes_through_dvc_and_new_scores_push_no_frame_again(repository: Repository) -> None:
    store = FolderStore(repository.folder / "data")
    tracked = {found.path for found in store.list("")} - {"review.sqlite"}
    repository.run(ADD)
    first = repository.objects()
    assert len(first) == len({hashlib.md5(store.read(path)).hexdigest() for path in tracked}) + 1 < 50  # and their list
    assert frame_digests(store) <= first.keys()

    *steps, view = LOOK.strip().splitlines()
    assert view == "TRIAGE_STORE=data triage viewer"
    repository.run("cd ..\n" + "\n".join(steps))
    look = FolderStore(repository.folder.parent / "look/data")
    assert {found.path for found in look.list("")} == tracked
    assert contents(look) == contents(store)
    with serve_store(look) as client, serve_store(store) as original:
        for path in ("/api/v1/triage/rows?limit=10", "/api/v1/sequences/1"):
            assert client.get(path).json() == original.get(path).json()
        frame = load_frames(look, KEY).to_pylist()[0]
        picture = client.get(f"/api/v1/frames/{frame['detection_id']}")
        assert hashlib.sha256(picture.content).hexdigest() == frame["sha256"]

    score_again(store)
    changed = {found.path for found in store.list("")} - tracked - {"review.sqlite"}
    assert {path.partition("/")[0] for path in changed} == {"predictions"}
    repository.run("\n".join(ADD.strip().splitlines()[-4:]))
    new = repository.objects().keys() - first.keys()
    assert len(new) == len(changed) + 1
    assert new.isdisjoint(frame_digests(store))


@pytest.mark.parametrize("link", ["hardlink", "symlink"])
def test_the_store_goes_on_in_a_folder_of_links_and_leaves_the_cache_as_it_is(
    repository: Repository, link: str
) -> None:
    store = FolderStore(repository.folder / "data")
    repository.run(f"dvc config cache.type {link}\n" + "\n".join(ADD.strip().splitlines()[:7]))
    tar = next(repository.folder.glob("data/shards/*/*.tar"))
    assert tar.is_symlink() if link == "symlink" else tar.stat().st_nlink == 2
    before = live_frames(store)
    pack(store, 14)
    score_again(store)
    assert live_frames(store) > before
    assert verify_shards(store).faults == ()
    cache = objects_below(repository.folder / ".dvc/cache")
    assert {hashlib.md5(file.read_bytes()).hexdigest() for file in cache.values()} == {
        name.removesuffix(".dir") for name in cache
    }
    repository.run("dvc add data")
    assert frame_digests(store) <= objects_below(repository.folder / ".dvc/cache").keys()
    assert "up to date" in repository.run("dvc status")
