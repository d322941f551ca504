"""Stages of the pipeline as a process of their own, so that a test can kill it: `python -m tests.e2e.stages`.

Limits are small, so that a short run has many seals and many parts to be killed between.
"""

import sys
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


if __name__ == "__main__":
    torch.set_num_threads(1)
    stage, folder, address = sys.argv[1:]
    print("ready", flush=True)
    {"pull": pull, "score": score}[stage](FolderStore(Path(folder)), address)
