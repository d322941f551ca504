import pytest

from triage_assets.errors import ImageError
from triage_assets.scoring.frames import find_all_boxes, shard_path
from triage_assets.scoring.records import FrameInput, ScoringBox, SequenceInput
from triage_assets.shards.catalog import tar_path


@pytest.mark.parametrize("key", ["sdis-07-1", "a-2"])
@pytest.mark.parametrize("shard", ["000001-aaaaaaaa", "000123-0123abcd"])
def test_frames_are_looked_for_where_shards_are_kept(key, shard):
    assert shard_path(key, shard) == tar_path(key, shard)


def test_boxes_are_looked_for_in_no_more_images_than_a_model_sees():
    asked = []

    def find_boxes(image):
        asked.append(image)
        if image == b"1":
            raise ImageError("1 is no image")
        return (ScoringBox(0.5, 0.5, 0.1, 0.1, 0.9),)

    frames = tuple(FrameInput(str(number).encode(), ()) for number in range(6))
    found = find_all_boxes(SequenceInput("six", frames), find_boxes, max_frames=3)
    assert asked == [b"0", b"1", b"2", b"3"]
    assert [len(frame.boxes) for frame in found.frames] == [1, 0, 1, 1, 0, 0]
    assert [frame.image for frame in found.frames] == [frame.image for frame in frames]
