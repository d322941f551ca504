"""Reading the frames of a sequence to score out of shards.

What lives here: where a shard is, one read for frames that lie together, and boxes found in them. What does not: which
frames a sequence has (`planning`), or decoding them (`images`).
"""

import hashlib
from collections.abc import Callable
from contextlib import suppress

from triage_assets.errors import ImageError, ShardError
from triage_assets.scoring.planning import SequenceTask
from triage_assets.scoring.records import FrameInput, ScoringBox, SequenceInput
from triage_assets.store import Store

BoxFinder = Callable[[bytes], tuple[ScoringBox, ...]]

# Between two frames of a sequence lie a header and padding only; more than this between them is something else.
_GAP_BYTES = 4096


def read_sequence(store: Store, task: SequenceTask) -> SequenceInput:
    """The frames of a task from their shard, in one read where they lie together, with the annotator's boxes.

    Raises `StoreError` where the shard cannot be read, and `ShardError` where a frame's bytes
    are not those of the index.
    """
    frames = []
    for frame, image in zip(task.frames, _read_images(store, task), strict=True):
        if hashlib.sha256(image).hexdigest() != frame.sha256:
            path = shard_path(task.organization_key, frame.shard)
            raise ShardError(
                f"Shard {path} does not hold frame {frame.detection_id} where its index says",
                found=f"other bytes at offset {frame.offset}",
                expected=f"{frame.size} bytes with SHA-256 {frame.sha256}",
                do="Run `triage shards verify`, then `triage shards reindex`.",
            )
        frames.append(FrameInput(image, frame.boxes))
    return SequenceInput(f"sequence {task.sequence_id}", tuple(frames))


def _read_images(store: Store, task: SequenceTask) -> list[bytes]:
    first = min(task.frames, key=lambda frame: frame.offset)
    end = max(frame.offset + frame.size for frame in task.frames)
    payload = sum(frame.size for frame in task.frames)
    is_together = end - first.offset <= payload + _GAP_BYTES * len(task.frames)
    if is_together and all(frame.shard == first.shard for frame in task.frames):
        path = shard_path(task.organization_key, first.shard)
        data = memoryview(store.read_range(path, first.offset, end - first.offset))
        starts = [frame.offset - first.offset for frame in task.frames]
        return [bytes(data[start : start + frame.size]) for start, frame in zip(starts, task.frames, strict=True)]
    paths = [shard_path(task.organization_key, frame.shard) for frame in task.frames]
    return [store.read_range(path, frame.offset, frame.size) for path, frame in zip(paths, task.frames, strict=True)]


def shard_path(organization_key: str, shard: str) -> str:
    """Where a shard's tar is in the store. Says the same as the shards' own rule, which a test holds against it."""
    return f"shards/organization={organization_key}/{shard}.tar"


def find_all_boxes(sequence: SequenceInput, find_boxes: BoxFinder, max_frames: int) -> SequenceInput:
    """The sequence with the boxes that are found in its first ``max_frames`` images, beyond which no model looks.

    An image that cannot be decoded has none, counts for nothing, and the engine will leave it out.
    """
    frames = []
    n_images = 0
    for frame in sequence.frames:
        boxes: tuple[ScoringBox, ...] = ()
        if n_images < max_frames:
            with suppress(ImageError):
                boxes = find_boxes(frame.image)
                n_images += 1
        frames.append(FrameInput(frame.image, boxes))
    return SequenceInput(sequence.name, tuple(frames))
