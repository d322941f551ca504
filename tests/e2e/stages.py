"""Stages of the pipeline as processes of their own, so that a test can kill them: `python -m tests.e2e.stages`.

For each line that it reads, ``["STAGE", "FOLDER", "URL"]``, it forks a process, prints its number and, when that has
ended, its exit code: so libraries are imported once. Limits are small, so that a short run has many seals and many
parts to be killed between.
"""

import json
import os
import sys
import traceback
from pathlib import Path

import torch

from triage_assets.annotator.client import AnnotatorClient
from triage_assets.annotator.pull import pull_sequences
from triage_assets.annotator.records import partition_key
from triage_assets.annotator.snapshot import iter_sequences
from triage_assets.demo import DEMO_MODEL
from triage_assets.folder_store import FolderStore
from triage_assets.scoring.predictions import score_backlog
from triage_assets.scoring.records import RuntimeChoice
from triage_assets.shards.packing import pack_frames
from triage_assets.stored_backlogs import load_backlogs


def pull(store: FolderStore, url: str) -> None:
    """Pull and pack every organization."""
    with AnnotatorClient(url, "demo", "demo", max_in_flight=8) as client:
        for key in sorted({partition_key(organization) for organization in client.list_organizations()}):
            pull_sequences(client, store, key)
            pack_frames(store, key, iter_sequences(store, key), client.download, seal_bytes=30_000)


def score(store: FolderStore, _: str) -> None:
    """Score what is packed, on one runtime: which of several measures faster may differ between two runs."""
    score_backlog(store, DEMO_MODEL, load_backlogs(store), choice=RuntimeChoice("torch"), unit_sequences=3)


STAGES = {"pull": pull, "score": score}


def run_in_fork(stage: str, folder: str, url: str) -> None:
    """Run a stage in a child of this process, and say its number, then how it ended."""
    child = os.fork()
    if child == 0:
        try:
            STAGES[stage](FolderStore(Path(folder)), url)
        except BaseException:  # noqa: BLE001 - whatever it is, the child must not go on as its parent
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    print(child, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for line in sys.stdin:
        run_in_fork(*json.loads(line))
