import pytest

from triage_assets.scoring.frames import shard_path
from triage_assets.shards.catalog import tar_path


@pytest.mark.parametrize("key", ["sdis-07-1", "a-2"])
@pytest.mark.parametrize("shard", ["000001-aaaaaaaa", "000123-0123abcd"])
def test_frames_are_looked_for_where_shards_are_kept(key, shard):
    assert shard_path(key, shard) == tar_path(key, shard)
