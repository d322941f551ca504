"""Bringing one organization's snapshot up to date, fetching only what is new or has moved.

What lives here: the comparison of a fresh listing with the stored snapshot, and the report of it. What does not: HTTP
(`client`), the file's form (`snapshot`), and frames (the package `shards`).
"""

import hashlib
import itertools
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from triage_assets.annotator.client import READY, AnnotatorClient
from triage_assets.annotator.detections import SequenceDetections
from triage_assets.annotator.listing import Listing
from triage_assets.annotator.merging import KeptRow, write_group
from triage_assets.annotator.parse import Reasons
from triage_assets.annotator.records import Organization, SequenceRow, partition_key
from triage_assets.annotator.snapshot import ROWS_PER_GROUP, SnapshotWriter, StoredSnapshot, snapshot_path
from triage_assets.errors import UnknownOrganization
from triage_assets.progress import Progress, no_progress
from triage_assets.store import Store


@dataclass(frozen=True, slots=True)
class PullReport:
    """What a pull found and did.

    ``n_listed`` sequences were listed and ``n_total`` counted by the server, ``shortfall`` of which never showed.
    Listed are ``n_new``, ``n_changed`` (last_seen_at moved) and ``n_unchanged`` ones; ``n_gone`` left the snapshot.
    ``n_sequences`` are in it now, with ``n_detections``. ``incomplete`` gives the reason for each sequence whose
    detections could not be fetched; it keeps its former row, or is left out, and is tried again by the next pull.
    By reason, ``rejected`` counts listed rows and ``rejected_detections`` fetched detections that were refused, which
    are missing from the snapshot; ``altered`` counts values that were not taken as they came.
    """

    display_name: str
    spellings: tuple[str, ...]
    n_total: int
    n_listed: int
    n_new: int
    n_changed: int
    n_unchanged: int
    n_gone: int
    n_sequences: int
    n_detections: int
    n_detection_calls: int
    shortfall: int
    rejected: Mapping[str, int]
    rejected_detections: Mapping[str, int]
    altered: Mapping[str, int]
    incomplete: Mapping[int, str]
    changed: bool
    data_version: str

    @property
    def n_rejected_rows(self) -> int:
        """How many listed rows were refused."""
        return sum(self.rejected.values())

    @property
    def n_rejected_detections(self) -> int:
        """How many of the detections that were fetched were refused."""
        return sum(self.rejected_detections.values())


@dataclass(slots=True)
class _Tally:
    n_new: int = 0
    n_changed: int = 0
    n_unchanged: int = 0
    n_sequences: int = 0
    n_detections: int = 0
    n_calls: int = 0
    altered: Reasons = field(default_factory=Reasons)
    rejected_detections: Reasons = field(default_factory=Reasons)
    incomplete: dict[int, str] = field(default_factory=dict)


def pull_sequences(
    client: AnnotatorClient,
    store: Store,
    key: str,
    organizations: Iterable[Organization] | None = None,
    *,
    stage: str = READY,
    limit: int | None = None,
    since: str | datetime | None = None,
    progress: Progress = no_progress,
) -> PullReport:
    """Make the snapshot of partition ``key`` equal to the backlog, or to the part of it that is asked for.

    ``organizations`` are the spellings to list; where None, those that the annotator has under this key. With
    ``limit`` or ``since`` the snapshot *is* the limited backlog: sequences outside it leave the snapshot as if they had
    left the backlog (their frames stay in the shards). The file is replaced at the end, in one step, and only if its
    content differs; what pulls that were killed left unfinished beside it is removed. An organization that vanished
    from the annotator is listed under the name that its snapshot has, which empties it. Raises `UnknownOrganization`,
    `UnknownStage`, other `AnnotatorError`, `StoreError`.
    """
    store.sweep_unfinished(posixpath.dirname(snapshot_path(key)))
    stored = StoredSnapshot.open(store, key)
    spellings = _spellings(client, key, organizations, stored)
    listing = client.list_sequences(spellings, stage=stage, limit=limit, since=since, progress=progress)
    rows = sorted(listing.rows, key=lambda row: row.id)
    tally = _Tally()
    writer = SnapshotWriter(key, spellings[0].name, stage)
    kept = _fetch_missing(client, rows, stored, tally, progress)
    while group := list(itertools.islice(kept, ROWS_PER_GROUP)):
        detections = write_group(writer, group, stored)
        tally.n_sequences += len(group)
        tally.n_detections += len(detections.flatten())
    data = writer.finish()
    changed = stored is None or stored.data != data
    if changed:
        store.write(snapshot_path(key), data)
    return _report(spellings, listing, stored, tally, changed, hashlib.sha256(data).hexdigest())


def _spellings(
    client: AnnotatorClient,
    key: str,
    organizations: Iterable[Organization] | None,
    stored: StoredSnapshot | None,
) -> tuple[Organization, ...]:
    known = client.list_organizations() if organizations is None else tuple(organizations)
    spellings = tuple(organization for organization in known if partition_key(organization) == key)
    if not spellings and stored is not None:
        return (stored.organization,)
    if not spellings:
        names = sorted({partition_key(organization) for organization in known})
        raise UnknownOrganization(
            f"The annotator has no organization {key!r}",
            expected=", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else ""),
            do="Check the name, and that the login may read it.",
        )
    return spellings


def _fetch_missing(
    client: AnnotatorClient, rows: list[SequenceRow], stored: StoredSnapshot | None, tally: _Tally, progress: Progress
) -> Iterator[KeptRow]:
    """The rows of the new snapshot in order of id, the missing detections being fetched a little ahead."""
    last_seen = {} if stored is None else stored.last_seen()
    missing = [row.id for row in rows if last_seen.get(row.id) != row.last_seen_at]
    answers = client.fetch_detections(missing)
    for row in rows:
        known_until = last_seen.get(row.id)
        if known_until == row.last_seen_at:
            tally.n_unchanged += 1
            yield KeptRow(row, None)
            continue
        if known_until is None:
            tally.n_new += 1
        else:
            tally.n_changed += 1
        answer = next(answers)
        tally.n_calls += 1
        progress("detections", tally.n_calls, len(missing))
        yield from _keep(row, answer, stored if known_until is not None else None, tally)


def _keep(
    row: SequenceRow, answer: SequenceDetections, former: StoredSnapshot | None, tally: _Tally
) -> Iterator[KeptRow]:
    tally.altered += answer.altered
    tally.rejected_detections += answer.rejected
    if answer.detections is not None:
        yield KeptRow(row, answer.detections)
        return
    tally.incomplete[row.id] = answer.failure or "no answer"
    if former is not None:
        # With its former last_seen_at, so that the next pull tries again.
        yield KeptRow(former.row(row.id), None)


def _report(
    spellings: tuple[Organization, ...],
    listing: Listing,
    stored: StoredSnapshot | None,
    tally: _Tally,
    changed: bool,
    data_version: str,
) -> PullReport:
    listed = {row.id for row in listing.rows}
    return PullReport(
        display_name=spellings[0].name,
        spellings=tuple(organization.name for organization in spellings),
        n_total=listing.n_total,
        n_listed=len(listed),
        n_new=tally.n_new,
        n_changed=tally.n_changed,
        n_unchanged=tally.n_unchanged,
        n_gone=0 if stored is None else sum(which not in listed for which in stored.ids.tolist()),
        n_sequences=tally.n_sequences,
        n_detections=tally.n_detections,
        n_detection_calls=tally.n_calls,
        shortfall=listing.shortfall,
        rejected=dict(listing.rejected),
        rejected_detections=dict(tally.rejected_detections),
        altered=dict(listing.altered + tally.altered),
        incomplete=tally.incomplete,
        changed=changed,
        data_version=data_version,
    )
