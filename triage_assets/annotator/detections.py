"""The detections of single sequences: every page, each id once, in the order of time.

What lives here: paging and ordering of one sequence's detections, and what its failure means. What does not: which
sequences are asked for (`pull`).
"""

from dataclasses import dataclass

from triage_assets.annotator.connection import Connection, Parameters
from triage_assets.annotator.listing import PAGE_SIZE
from triage_assets.annotator.parse import Reasons, identity_of, parse_detection, parse_page
from triage_assets.annotator.records import Detection
from triage_assets.errors import AnnotatorUnavailable, UnexpectedAnswer

_MOST_WALKS = 3


@dataclass(frozen=True, slots=True)
class SequenceDetections:
    """One sequence's detections, ordered by (recorded_at, id); or None, and ``failure`` says why they did not come.

    ``altered`` counts values that were not taken as they came, ``rejected`` detections that are missing for want of a
    usable id, sequence or time; both by reason.
    """

    sequence_id: int
    detections: tuple[Detection, ...] | None
    altered: Reasons
    rejected: Reasons
    failure: str | None = None


async def fetch_detections(connection: Connection, sequence_id: int) -> SequenceDetections:
    """Ask until as many detections came as the server counts, a bounded number of times.

    Raises `AuthenticationError`; every other failure is in the result.
    """
    try:
        return await _fetch(connection, sequence_id)
    except (AnnotatorUnavailable, UnexpectedAnswer) as error:
        return SequenceDetections(sequence_id, None, Reasons(), Reasons(), str(error))


async def _fetch(connection: Connection, sequence_id: int) -> SequenceDetections:
    items: dict[int | str, object] = {}
    for _ in range(_MOST_WALKS):
        number, n_pages, n_items, total = 1, 1, 0, 0
        while number <= n_pages:
            parameters: Parameters = {
                "sequence_id": sequence_id,
                "order_by": "recorded_at",
                "order_direction": "asc",
                "size": PAGE_SIZE,
                "page": number,
            }
            answer = await connection.get_json("/detections/", parameters, "detections")
            page = parse_page(answer, f"the detections of sequence {sequence_id}")
            for item in page.items:
                _check_belongs(item, sequence_id)
                items[identity_of(item)] = item
            total = page.total
            n_items += len(page.items)
            n_pages = -(-total // PAGE_SIZE)
            number += 1
            if not page.items:  # the end, whatever the total says: a wrong one must not make the walk endless
                break
        # The server counts exact duplicates; only with several pages can a duplicate hide a row that was missed.
        if len(items) >= total or (n_pages <= 1 and n_items >= total):
            return _order(sequence_id, items)
    if n_items >= total:
        return _order(sequence_id, items)
    reason = f"{len(items)} of {total} detections came in {_MOST_WALKS} walks over the pages"
    return SequenceDetections(sequence_id, None, Reasons(), Reasons(), reason)


def _check_belongs(item: object, sequence_id: int) -> None:
    """Raise where the filter was ignored: every detection of the annotator would follow."""
    found = item.get("sequence_id") if isinstance(item, dict) else None
    if isinstance(found, int) and found != sequence_id:
        raise UnexpectedAnswer(f"The detections of sequence {sequence_id} hold one of another sequence", found=found)


def _order(sequence_id: int, items: dict[int | str, object]) -> SequenceDetections:
    altered, rejected = Reasons(), Reasons()
    parsed = [parse_detection(item, altered, rejected) for item in items.values()]
    known = {detection.id: detection for detection in parsed if detection is not None}
    ordered = sorted(known.values(), key=lambda detection: (detection.recorded_at, detection.id))
    return SequenceDetections(sequence_id, tuple(ordered), altered, rejected)
