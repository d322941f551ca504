"""Reading a shard from its first byte to its last, with nothing but its archive.

What lives here: the walk over headers and contents, in bounded memory, that proves an archive whole. What does not:
comparing what is found with an index (`verify`), or writing one (`reindex`).
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from triage_assets.errors import ShardError
from triage_assets.images import ImageSize
from triage_assets.shards.catalog import tar_path
from triage_assets.shards.format import BLOCK, END_OF_ARCHIVE, decode_header, padded
from triage_assets.shards.meta import META_NAME, SequenceMeta, decode_meta, index_rows
from triage_assets.shards.records import FrameRow, StoredImage
from triage_assets.store import Store

CHUNK_BYTES = 8 * 2**20
ReadRange = Callable[[str, int, int], bytes]
"""`Store.read_range`, or what does something else besides with the bytes."""
DAMAGED = (
    "Restore the file from a copy, or run `triage shards reindex --drop-damaged` to leave the shard out: then "
    "`triage fetch` brings it again, or the next run what the annotator still has."
)


@dataclass(frozen=True, slots=True)
class ScannedImage:
    """An image as the archive holds it; ``sha256`` is of ``content``, ``promised_sha256`` is what meta.json says."""

    detection_id: int
    member: str
    offset: int
    content: memoryview
    sha256: str
    promised_sha256: str


@dataclass(frozen=True, slots=True)
class ScannedSequence:
    """One sequence of a shard, its images in the order of its meta.json; ``folder`` is that of its members."""

    folder: str
    meta: SequenceMeta
    meta_offset: int
    meta_bytes: bytes
    images: tuple[ScannedImage, ...]


def scan_shard(
    store: Store, organization_key: str, shard: str, read: ReadRange | None = None
) -> Iterator[ScannedSequence]:
    """Every sequence of a shard, in memory of one sequence and 8 MB.

    ``read`` takes the place of the store's own; it is asked for every byte of an intact archive, for ranges that each
    begin in or right behind the one before and end after it. Raises `ShardError` naming the shard where the archive is
    cut short or is not what this project writes, down to the padding; the sequences before that place have been
    yielded. Images are not compared with the promised digests.
    """
    path = tar_path(organization_key, shard)
    total = store.size(path)
    if total is None:
        raise ShardError(f"shard {path} is missing", do=DAMAGED)
    cursor = _Cursor(read or store.read_range, path, total)
    n_sequences = n_images = 0
    try:
        while (folder_and_meta := _read_meta_member(cursor)) is not None:
            sequence = _read_sequence(cursor, *folder_and_meta)
            yield sequence
            n_sequences += 1
            n_images += len(sequence.images)
        if cursor.position != total:
            raise ShardError("bytes follow its end", found=f"{total} bytes", expected=f"{cursor.position} bytes")
    except ShardError as error:
        raise ShardError(
            f"shard {path}: {error.what}; the {n_sequences} sequences and {n_images} images before that are intact",
            found=error.found,
            expected=error.expected,
            do=DAMAGED,
        ) from None


class _Cursor:
    """Reads an object onwards, in large pieces."""

    def __init__(self, read: ReadRange, path: str, total: int) -> None:
        self.position = 0
        self._read = read
        self._path = path
        self._total = total
        self._chunk = memoryview(b"")
        self._chunk_start = 0

    def take(self, size: int) -> memoryview:
        """The next ``size`` bytes. Raises `ShardError` where the object ends before them."""
        end = self.position + size
        if end > self._total:
            raise ShardError("it is cut short", found=f"{self._total} bytes", expected=f"at least {end} bytes")
        if end > self._chunk_start + len(self._chunk):
            ahead = min(max(size, CHUNK_BYTES), self._total - self.position)
            self._chunk = memoryview(self._read(self._path, self.position, ahead))
            self._chunk_start = self.position
        start = self.position - self._chunk_start
        self.position = end
        return self._chunk[start : start + size]


def _read_member(cursor: _Cursor) -> tuple[str, memoryview] | None:
    """The name and content of the next member; None at the end of the archive, which is then read."""
    at = cursor.position
    block = bytes(cursor.take(BLOCK))
    if block == END_OF_ARCHIVE[:BLOCK]:
        if bytes(cursor.take(BLOCK)) != block:
            raise ShardError(f"it has no proper end at byte {at}", expected=f"{len(END_OF_ARCHIVE)} empty bytes")
        return None
    try:
        header = decode_header(block)
    except ShardError as error:
        raise ShardError(f"the header at byte {at} is damaged", found=error.found, expected=error.expected) from None
    content = cursor.take(padded(header.size))
    if any(content[header.size :]):
        raise ShardError(f"the padding after {header.name} is not empty")
    return header.name, content[: header.size]


def _read_meta_member(cursor: _Cursor) -> tuple[str, memoryview, int] | None:
    """The folder, content and offset of the meta.json that opens the next sequence."""
    offset = cursor.position + BLOCK
    member = _read_member(cursor)
    if member is None:
        return None
    name, content = member
    folder, _, file = name.rpartition("/")
    if file != META_NAME:
        raise ShardError("a sequence does not begin with its meta.json", found=name, expected=f"{folder}/{META_NAME}")
    return folder, content, offset


def _read_sequence(cursor: _Cursor, folder: str, meta_content: memoryview, meta_offset: int) -> ScannedSequence:
    try:
        meta = decode_meta(meta_content)
    except ShardError as error:
        raise ShardError(f"{folder}/{error.what}", found=error.found) from None
    images = []
    for frame in meta.frames:
        expected = f"{folder}/{frame.file}"
        offset = cursor.position + BLOCK
        name, content = _read_member(cursor) or ("the end of the archive", memoryview(b""))
        if name != expected:
            raise ShardError(f"sequence {meta.sequence_id} is not whole", found=name, expected=expected)
        digest = hashlib.sha256(content).hexdigest()
        images.append(ScannedImage(frame.detection_id, name, offset, content, digest, meta.sha256[frame.file]))
    return ScannedSequence(folder, meta, meta_offset, bytes(meta_content), tuple(images))


def changed_images(path: str, sequence: ScannedSequence) -> list[ShardError]:
    """An error, not raised, for each image whose bytes are not those that were stored."""
    return [
        ShardError(
            f"shard {path}: the bytes of {image.member} have changed",
            found=f"sha256 {image.sha256}",
            expected=image.promised_sha256,
            do=DAMAGED,
        )
        for image in sequence.images
        if image.sha256 != image.promised_sha256
    ]


def scanned_rows(sequence: ScannedSequence, sizes_px: Sequence[ImageSize] | None = None) -> list[FrameRow]:
    """The index rows of a sequence; without the sizes of its images, each is 0 by 0."""
    sizes = sizes_px if sizes_px is not None else [ImageSize(0, 0)] * len(sequence.images)
    images = {
        image.detection_id: StoredImage(
            image.member, image.offset, len(image.content), image.sha256, size.width_px, size.height_px
        )
        for image, size in zip(sequence.images, sizes, strict=True)
    }
    return index_rows(sequence.meta, sequence.meta_offset, len(sequence.meta_bytes), images)
