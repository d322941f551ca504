"""The demo's pictures by identity, rendered at the first request and kept in memory and on disk.

What lives here: both caches and the bytes of spoiled pictures. What does not: rendering (`render`).
"""

import contextlib
import hashlib
import io
import os
import tempfile
import threading
from collections import OrderedDict
from pathlib import Path

import numpy as np
import PIL
from PIL import Image

from triage_assets.demo import backlog as backlog_module
from triage_assets.demo import hard_things, landscape, places, render, scenes, soft_things, texture
from triage_assets.demo.backlog import DemoBacklog, Picture
from triage_assets.demo.detections import FRAME_GAP_SECONDS
from triage_assets.demo.faults import BadContent

_SOURCES = (backlog_module, places, scenes, texture, landscape, soft_things, hard_things, render)


def default_cache_folder(backlog: DemoBacklog) -> Path:
    """A folder for this backlog's pictures; other code, another seed or size never shares it."""
    digest = hashlib.blake2b(f"{np.__version__} {PIL.__version__}".encode(), digest_size=5)
    for module in _SOURCES:
        digest.update(Path(str(module.__file__)).read_bytes())
    width, height = backlog.image_size
    name = f"triage-demo-pictures-{digest.hexdigest()}-seed{backlog.seed}-{width}x{height}"
    return Path(tempfile.gettempdir()) / name


class PictureCache:
    """Pictures of one backlog, thread-safe. ``folder`` None keeps nothing on disk.

    Memory holds the most recently used up to ``memory_bytes``; the folder is filled up to ``disk_bytes`` and then only
    read.
    """

    def __init__(
        self,
        backlog: DemoBacklog,
        folder: Path | None,
        *,
        memory_bytes: int = 64_000_000,
        disk_bytes: int = 4_000_000_000,
    ) -> None:
        self._backlog = backlog
        self._folder = folder
        self._memory_left = memory_bytes
        self._disk_left = disk_bytes
        self._recent: OrderedDict[Picture, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def open(self) -> None:
        """Make the folder and see how much it holds already."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._disk_left -= _folder_bytes(self._folder)

    def remembered(self, picture: Picture) -> bytes | None:
        """The picture if memory holds it; never waits for a disk or a rendering."""
        with self._lock:
            data = self._recent.get(picture)
            if data is not None:
                self._recent.move_to_end(picture)
            return data

    def fetch(self, picture: Picture) -> bytes:
        """The picture from memory, disk or the renderer, which may take tens of milliseconds."""
        data = self.remembered(picture)
        if data is not None:
            return data
        file = None if self._folder is None else self._folder / f"{picture.sequence_id}_{picture.frame}.jpg"
        try:
            data = b"" if file is None else file.read_bytes()
        except FileNotFoundError:
            data = b""
        if not data:
            scene = self._backlog.scene(picture.sequence_id)
            data = render.render_frame(
                self._backlog.seed, scene, picture.frame * FRAME_GAP_SECONDS, self._backlog.image_size
            )
            if file is not None:
                self._keep(file, data)
        with self._lock:
            if picture not in self._recent:
                self._recent[picture] = data
                self._memory_left -= len(data)
            while self._memory_left < 0 and len(self._recent) > 1:
                self._memory_left += len(self._recent.popitem(last=False)[1])
        return data

    def _keep(self, file: Path, data: bytes) -> None:
        with self._lock:
            if self._disk_left < len(data):
                return
            self._disk_left -= len(data)
        temporary = file.with_suffix(f".{os.getpid()}-{threading.get_ident()}")
        try:
            temporary.write_bytes(data)
            temporary.replace(file)
        except OSError:
            # The disk copy only saves time: a full or read-only disk must not cost the answer.
            temporary.unlink(missing_ok=True)


def _folder_bytes(folder: Path) -> int:
    total = 0
    with os.scandir(folder) as entries:
        for entry in entries:
            # Another server on the same folder may finish a file, and so rename it, while this one looks.
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat().st_size
    return total


def spoil(data: bytes, how: BadContent) -> bytes:
    """What the object holds instead of the whole JPEG."""
    if how == "empty":
        return b""
    if how == "truncated":
        return data[: len(data) * 2 // 3]
    if how == "text":
        return b"camera offline, no frame available\n"
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, "PNG")
    return buffer.getvalue()
