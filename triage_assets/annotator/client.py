"""The annotator as other packages see it: a synchronous, read-only client.

What lives here: the curated public surface, each method one question. What does not: how questions are asked
(`connection`), and keeping the answers (`pull`).
"""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Self

from triage_assets.annotator.address import ApiAddress
from triage_assets.annotator.connection import Connection, Parameters
from triage_assets.annotator.detections import SequenceDetections, fetch_detections
from triage_assets.annotator.failures import InvalidQuery
from triage_assets.annotator.frames import FrameFetcher, wanted_detections
from triage_assets.annotator.listing import (
    NO_ANNOTATION,
    PAGE_SIZE,
    Listing,
    check_sample_stage,
    check_stage_name,
    combine,
    list_spelling,
    parse_since,
)
from triage_assets.annotator.parse import Page, Reasons, parse_organizations, parse_page, parse_sequence, stage_of
from triage_assets.annotator.portal import Portal, gather_or_cancel
from triage_assets.annotator.records import DownloadedSequence, Organization, WantedSequence
from triage_assets.annotator.retries import RetryPolicy, Timeouts
from triage_assets.errors import UnknownStage
from triage_assets.progress import Progress, no_progress

logger = logging.getLogger(__name__)

READY = "ready_to_annotate"
_SAMPLE = 20


@dataclass(frozen=True, slots=True)
class BacklogGlance:
    """What one cheap request tells of a backlog: how many sequences it has, and the newest of them.

    Most changes show in it, but not all: frames added to a sequence outside the newest page, or as many sequences
    arriving as leaving there, do not. Only a pull, which compares every row, finds those.
    """

    n_total: int
    newest_id: int | None
    newest_created_at: datetime | None
    newest_seen_at: datetime | None

    def fingerprint(self) -> str:
        """A text for a sensor's cursor: where it differs, the backlog has changed; where it does not, it may have."""
        moments = (moment.isoformat() if moment else "" for moment in (self.newest_created_at, self.newest_seen_at))
        return "/".join((str(self.n_total), str(self.newest_id or ""), *moments))


class AnnotatorClient:
    """Reads an annotator; nothing is sent before the first question, and nothing is ever written.

    A context manager that owns an event loop in a thread of its own. Methods may be called from one thread at a time.
    Every method raises `AuthenticationError`, `AnnotatorUnavailable` or `UnexpectedAnswer`; creating the client raises
    `SettingsError` for an address that cannot be used.
    """

    def __init__(
        self,
        url: str,
        login: str,
        password: str,
        *,
        max_in_flight: int = 32,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._address = ApiAddress.parse(url)
        self._login = login
        self._connection = Connection(
            self._address,
            login,
            password,
            max_in_flight=max_in_flight,
            timeouts=timeouts or Timeouts(),
            retry=retry or RetryPolicy(),
        )
        self._portal = Portal(self._connection)
        self._proven_stages: set[str] = set()

    def __repr__(self) -> str:
        return f"AnnotatorClient({self._address.site!r}, login={self._login!r})"

    def __enter__(self) -> Self:
        self._portal.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._portal.close()

    def list_organizations(self) -> tuple[Organization, ...]:
        """Every spelling of every organization, ordered by (id, name); entries that are none are logged as warnings."""
        answer = self._portal.run(self._connection.get_json("/organizations/", {}, "listing"))
        rejected = Reasons()
        found = parse_organizations(answer, rejected)
        for reason, count in rejected.items():
            logger.warning(
                "The annotator lists %d organizations that cannot be used: %s. Expected an id and a name; their "
                "sequences are left out until its administrator corrects them.",
                count,
                reason,
            )
        return found

    def count_sequences(self, organization: Organization, stage: str = READY) -> BacklogGlance:
        """Look at one spelling's backlog with a single request. Raises `UnknownStage`.

        The total includes other organizations of the same name; the newest are those of the latest rows by creation.
        """
        check_stage_name(stage)
        page = self._list_page(
            {
                **_filters(organization, stage, None),
                "order_by": "created_at",
                "order_direction": "desc",
                "size": _SAMPLE,
            }
        )
        rows = [row for item in page.items if (row := parse_sequence(item, Reasons()).row) is not None]
        return BacklogGlance(
            page.total,
            max((row.id for row in rows), default=None),
            max((row.created_at for row in rows if row.created_at), default=None),
            max((row.last_seen_at for row in rows), default=None),
        )

    def list_sequences(
        self,
        organizations: Iterable[Organization],
        *,
        stage: str = READY,
        limit: int | None = None,
        since: str | datetime | None = None,
        progress: Progress = no_progress,
    ) -> Listing:
        """The backlog of all spellings of one organization, or its ``limit`` oldest sequences.

        Raises `UnknownStage` for a stage that the annotator ignores or refuses, `SettingsError` for ``since``.
        """
        check_stage_name(stage)
        self._prove_stage(stage)
        moment = parse_since(since)
        return combine(
            [self._list_spelling(organization, stage, limit, moment, progress) for organization in organizations], limit
        )

    def fetch_detections(self, sequence_ids: Iterable[int]) -> Iterator[SequenceDetections]:
        """The detections of each sequence, in the order given; ids are taken lazily.

        A failure that concerns one sequence only is in its result; `AuthenticationError` is raised.
        """
        self._connection.hope_again()
        return self._portal.stream(
            sequence_ids,
            lambda which: fetch_detections(self._connection, which),
            weigh=lambda _: 1,
            capacity=4 * self._connection.max_in_flight,
        )

    def download(
        self, wanted: Iterable[WantedSequence], progress: Progress = no_progress
    ) -> Iterator[DownloadedSequence]:
        """The frames of each wanted sequence, in the order given.

        Lazy on both sides: a bounded number of frames is under way or waits to be taken, so memory does not
        depend on how many are wanted. Only `AuthenticationError` ends the work; every other failure is in the result of
        its sequence.
        """
        self._connection.hope_again()
        fetcher = FrameFetcher(self._connection)
        n_frames = 0
        for done in self._portal.stream(
            wanted,
            fetcher.fetch_sequence,
            weigh=lambda want: max(1, len(wanted_detections(want))),
            capacity=4 * self._connection.max_in_flight,
        ):
            n_frames += len(done.frames) + len(done.unusable) + len(done.failed)
            progress("frames", n_frames, None)
            yield done

    def _list_spelling(
        self, organization: Organization, stage: str, limit: int | None, since: datetime | None, progress: Progress
    ) -> Listing:
        filters = _filters(organization, stage, since)
        sample = self._list_page({**filters, "include_annotation": "true", "size": _SAMPLE})
        check_sample_stage(map(stage_of, sample.items), stage)
        ordered: Parameters = {**filters, "order_by": "recorded_at", "order_direction": "asc", "size": PAGE_SIZE}

        def fetch_pages(numbers: Sequence[int]) -> list[Page]:
            pages = (
                self._connection.get_json("/sequences/", {**ordered, "page": number}, "listing") for number in numbers
            )
            return [parse_page(answer, "the list of sequences") for answer in self._portal.run(gather_or_cancel(pages))]

        return list_spelling(
            fetch_pages,
            organization,
            limit=limit,
            since=since,
            pages_at_once=self._connection.max_in_flight,
            progress=progress,
        )

    def _list_page(self, parameters: Parameters) -> Page:
        answer = self._portal.run(self._connection.get_json("/sequences/", parameters, "listing"))
        return parse_page(answer, "the list of sequences")

    def _prove_stage(self, stage: str) -> None:
        """Raise `UnknownStage` where the endpoint that validates stages, unlike the listing, refuses this one."""
        if stage in self._proven_stages or stage == NO_ANNOTATION:
            return
        parameters: Parameters = {"processing_stage": stage, "size": 1}
        try:
            self._portal.run(self._connection.get_json("/annotations/sequences/", parameters, "listing"))
        except InvalidQuery:
            raise UnknownStage(
                f"This version of the annotator does not know the processing stage {stage!r}",
                do="Name a stage that this version of the annotator knows.",
            ) from None
        self._proven_stages.add(stage)


def _filters(organization: Organization, stage: str, since: datetime | None) -> Mapping[str, str | int]:
    filters = {"organisation_name": organization.name, "processing_stage": stage}
    if since is not None:
        filters["recorded_at_gte"] = since.isoformat().replace("+00:00", "Z")
    return filters
