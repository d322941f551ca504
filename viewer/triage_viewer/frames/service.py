"""What every request for a frame or a sequence works with, and one answer for each kind of frame.

What lives here: one server's library, pages and pictures. What does not: the routes.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers

from triage_assets.errors import ImageError, ReviewError
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.decisions import DecisionReader
from triage_assets.store import Store
from triage_viewer.backlog.live import LiveBacklog
from triage_viewer.frames.library import FrameLibrary, no_image
from triage_viewer.frames.picture_cache import PictureCache, TooManyPicturesError
from triage_viewer.frames.pictures import MEDIA_TYPE, PictureOrder, make_picture
from triage_viewer.frames.records import LiveFrame
from triage_viewer.frames.replies import is_known, media_type_of, not_modified, reply_with
from triage_viewer.frames.sequence_page import SequencePages

_RETRY_SECONDS = 2


@dataclass(frozen=True, slots=True)
class FrameService:
    """The frames of one store."""

    library: FrameLibrary
    pages: SequencePages
    pictures: PictureCache

    def close(self) -> None:
        """End what works on pictures."""
        self.pictures.close()

    def reply_as_it_is(self, detection_id: int, sequence_id: int | None, headers: Headers) -> Response:
        """The frame's own bytes. Those that are not what was stored are shown as they are, and kept by nobody.

        Raises `NotStored`, `ShardGone`, `ShardError` and `StoreError`.
        """
        frame = self.library.frame(detection_id, sequence_id)
        etag = _tag(frame)
        if etag is not None and is_known(headers, etag):
            return not_modified(etag)
        image = self.library.read(frame)
        return reply_with(image.data, media_type_of(image.data), etag if image.is_intact else None, headers)

    async def reply_with_picture(
        self, detection_id: int, sequence_id: int | None, order: PictureOrder, headers: Headers
    ) -> Response:
        """A picture made of the frame. Raises as `reply_as_it_is` does, `ImageError`, and 503 in a crowd."""
        frame = await run_in_threadpool(self.library.frame, detection_id, sequence_id)
        etag = _tag(frame, f".{order.tag}")
        if etag is None:
            raise no_image(frame)
        if is_known(headers, etag):
            return not_modified(etag)
        try:
            making = self.pictures.get(etag, self._maker(frame, order))
        except TooManyPicturesError:
            retry = {"Retry-After": str(_RETRY_SECONDS)}
            raise HTTPException(503, "Too many pictures are being made. Try again in a moment.", retry) from None
        # Others may wait for the same picture: who leaves does not stop it.
        data = await asyncio.shield(asyncio.wrap_future(making))
        return reply_with(data, MEDIA_TYPE, etag, headers)

    def _maker(self, frame: LiveFrame, order: PictureOrder) -> Callable[[], bytes]:
        def make() -> bytes:
            image = self.library.read(frame)
            if not image.is_intact:
                raise ImageError(
                    f"The bytes of frame {frame.detection_id} have changed since they were stored",
                    do="Run `triage shards verify`; without a width or crop the frame is shown as it is.",
                )
            return make_picture(image.data, order)

        return make


def open_frames(store: Store, review: ReviewDatabase, worklists: LiveBacklog) -> FrameService:
    """The frames of a store; nothing is read until somebody asks."""

    def guess(sequence_id: int) -> str | None:
        listed = worklists.latest
        key = None if listed is None else listed.stored.table.organization_of(sequence_id)
        if key is not None:
            return key
        with suppress(ReviewError), review.read() as connection:
            state = DecisionReader(connection).sequences([sequence_id]).get(sequence_id)
            return state.organization_key if state else None
        return None

    library = FrameLibrary(store, guess)
    return FrameService(library, SequencePages(store, review, library, worklists), PictureCache())


def _tag(frame: LiveFrame, suffix: str = "") -> str | None:
    return None if frame.image is None else f'"{frame.image.sha256}{suffix}"'


def _frames_of(request: Request) -> FrameService:
    frames: FrameService = request.app.state.frames
    return frames


Frames = Annotated[FrameService, Depends(_frames_of)]
