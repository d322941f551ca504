"""Shards are merged by the run that makes them many, and nothing is fetched or scored again for it."""

from functools import partial

import pytest

from tests.e2e.conftest import Workplace
from tests.e2e.stages import pull
from triage_assets.shards import compaction
from triage_assets.shards.catalog import load_catalog, stored_organizations
from triage_assets.shards.compaction import compact_shards


def test_a_run_merges_shards_and_neither_fetches_nor_scores_anything_again(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull(workplace.store, workplace.server.api_url)  # into shards of 30 kB
    workplace.triage("run")
    keys = stored_organizations(workplace.store)
    n_shards = sum(len(load_catalog(workplace.store, key).shards) for key in keys)
    assert n_shards > len(keys)
    packed = workplace.materializations("frame_shards")
    monkeypatch.setattr(compaction, "compact_shards", partial(compact_shards, most_small=1))
    said = workplace.triage("run").stdout
    assert "Nothing was left to do: 0 frames downloaded, 0 sequences scored." in said
    assert workplace.materializations("frame_shards") == packed
    assert [len(load_catalog(workplace.store, key).shards) for key in keys] == [1] * len(keys)
    proof = workplace.triage("shards", "verify").stdout
    assert proof.startswith(f"{len(keys)} shards, {len(workplace.backlog_ids())} sequences, ")
    assert proof.endswith(" 0 faults, 0 leftovers\n")
