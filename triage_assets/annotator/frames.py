"""The images of sequences: fetched, proven to be readable, or set down with the reason why not.

What lives here: what a frame that does not come, or comes as rubbish, means for its sequence. What does not: single
requests (`connection`), the order of work (`portal`), and storing frames (the package `shards`).
"""

import asyncio
import hashlib
from dataclasses import dataclass

from triage_assets.annotator.connection import Connection
from triage_assets.annotator.failures import ImageTooLarge, NotFound
from triage_assets.annotator.portal import gather_or_cancel
from triage_assets.annotator.records import Detection, DownloadedFrame, DownloadedSequence, WantedSequence
from triage_assets.annotator.transport import MOST_BODY_BYTES
from triage_assets.errors import AnnotatorUnavailable, ImageError, UnexpectedAnswer
from triage_assets.images import inspect_image

# How often what is no readable image is fetched anew until the same came twice.
_MOST_LOOKS = 3
_TOO_LARGE = f"larger than {MOST_BODY_BYTES // 1_000_000} MB"


@dataclass(frozen=True, slots=True)
class _Unusable:
    """The frame can never be had."""

    reason: str


@dataclass(frozen=True, slots=True)
class _Failed:
    """The frame may be had another time."""

    reason: str


_Outcome = DownloadedFrame | _Unusable | _Failed


def wanted_detections(wanted: WantedSequence) -> list[Detection]:
    """The detections whose frames are not held yet, in order."""
    return [detection for detection in wanted.sequence.detections if detection.id not in wanted.held]


class FrameFetcher:
    """Downloads sequences over one connection, at most ``max_in_flight`` frames at a time."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # A frame keeps its slot through its url, its image and its back-off, so frames are finished in order
        # instead of all urls being asked for first.
        self._slots = asyncio.Semaphore(connection.max_in_flight)

    async def fetch_sequence(self, wanted: WantedSequence) -> DownloadedSequence:
        """Every wanted frame, or why not. Raises `AuthenticationError`; every other failure is an outcome."""
        detections = wanted_detections(wanted)
        outcomes = await self._fetch_all(detections)
        # A second round over what failed: the attempts of the first may all have fallen into one bad minute.
        again = [detection for detection in detections if isinstance(outcomes[detection.id], _Failed)]
        if again:
            outcomes |= await self._fetch_all(again)
        return DownloadedSequence(
            wanted,
            tuple(outcome for outcome in outcomes.values() if isinstance(outcome, DownloadedFrame)),
            {which: outcome.reason for which, outcome in outcomes.items() if isinstance(outcome, _Unusable)},
            {which: outcome.reason for which, outcome in outcomes.items() if isinstance(outcome, _Failed)},
        )

    async def _fetch_all(self, detections: list[Detection]) -> dict[int, _Outcome]:
        outcomes = await gather_or_cancel(self._fetch(detection.id) for detection in detections)
        return {detection.id: outcome for detection, outcome in zip(detections, outcomes, strict=True)}

    async def _fetch(self, detection_id: int) -> _Outcome:
        async with self._slots:
            try:
                return await self._look_until_sure(detection_id)
            except NotFound:  # raised only once it was seen twice
                return _Unusable("gone (404)")
            except (AnnotatorUnavailable, UnexpectedAnswer) as error:
                return _Failed(str(error))

    async def _look_until_sure(self, detection_id: int) -> _Outcome:
        seen: set[str] = set()
        for _ in range(_MOST_LOOKS):
            try:
                image = await self._get_image(detection_id)
            except ImageTooLarge:
                if _TOO_LARGE in seen:
                    return _Unusable(_TOO_LARGE)
                seen.add(_TOO_LARGE)
                continue
            sha256 = hashlib.sha256(image).hexdigest()
            try:
                size = inspect_image(image)
            except ImageError as error:
                if sha256 in seen:
                    return _Unusable(f"{error.what}; found {error.found}")
                seen.add(sha256)
            else:
                return DownloadedFrame(detection_id, image, sha256, size.width_px, size.height_px)
        return _Failed(f"{_MOST_LOOKS} downloads gave as many different bytes, none a readable image")

    async def _get_image(self, detection_id: int) -> bytes:
        url = await self._connection.get_signed_url(detection_id)
        try:
            return await self._connection.get_image(url, detection_id)
        except (NotFound, ImageTooLarge):
            raise
        except UnexpectedAnswer:
            # Most likely the signature ran out while the frame waited its turn.
            url = await self._connection.get_signed_url(detection_id)
            return await self._connection.get_image(url, detection_id)
