"""What the snapshot of the groups comes to: counts, sizes, clicks saved, and whether its promises hold.

What lives here: figures and verdicts from the snapshot alone. What does not: the snapshot's files (`snapshot`), and how
figures are shown.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.groups.boxes import Flags, Integers
from triage_assets.groups.records import INVARIANTS, Invariant
from triage_assets.groups.snapshot import GroupsSnapshot
from triage_assets.review.records import LabelState


@dataclass(frozen=True, slots=True)
class CameraSummary:
    """One camera's groups and sequences in groups, and the clicks that labelling each group once saves there."""

    camera_id: int
    camera_name: str
    n_groups: int
    n_sequences: int
    n_clicks_saved: int

    @property
    def share_saved(self) -> float:
        """Of the camera's sequences that are in a group, one click each."""
        return self.n_clicks_saved / self.n_sequences if self.n_sequences else 0.0


@dataclass(frozen=True, slots=True)
class GroupsSummary:
    """Counts over all groups; ``n_sequences`` are all that the review database knows, grouped or not.

    ``sizes`` counts groups by their number of members, smallest first. ``cameras`` come with most clicks saved first.
    """

    n_groups: int
    n_recurring: int
    n_labeled: int
    n_unsure: int
    n_unlabeled: int
    n_validated: int
    n_sequences: int
    n_clicks_saved: int
    sizes: tuple[tuple[int, int], ...]
    cameras: tuple[CameraSummary, ...]

    @property
    def share_saved(self) -> float:
        """Clicks saved by labelling each group of two or more once, over one click for each sequence."""
        return self.n_clicks_saved / self.n_sequences if self.n_sequences else 0.0


def summarize(snapshot: GroupsSnapshot) -> GroupsSummary:
    """The figures of a snapshot."""
    groups = snapshot.groups
    members = groups["member_count"].to_numpy()
    saved = np.maximum(members - 1, 0)
    states = groups["label_state"]
    sizes, counts = np.unique(members, return_counts=True)
    return GroupsSummary(
        n_groups=len(groups),
        n_recurring=int((members >= 2).sum()),
        n_labeled=_count(pc.equal(states, str(LabelState.LABELED))),
        n_unsure=_count(pc.equal(states, str(LabelState.UNSURE))),
        n_unlabeled=_count(pc.equal(states, str(LabelState.UNLABELED))),
        n_validated=_count(groups["is_validated"]),
        n_sequences=len(snapshot.members) + len(snapshot.ungrouped),
        n_clicks_saved=int(saved.sum()),
        sizes=tuple(zip(sizes.tolist(), counts.tolist(), strict=True)),
        cameras=_summarize_cameras(groups, saved),
    )


def _summarize_cameras(groups: pa.Table, saved: Integers) -> tuple[CameraSummary, ...]:
    wanted = [("camera_name", "last"), ("group_id", "count"), ("member_count", "sum"), ("saved", "sum")]
    table = groups.append_column("saved", pa.array(saved.astype(np.int64)))
    # The names of a camera's groups differ where it was renamed; the youngest group has the present one.
    cameras = table.group_by("camera_id", use_threads=False).aggregate(wanted)
    cameras = cameras.sort_by([("saved_sum", "descending"), ("camera_id", "ascending")])
    names = ("camera_id", "camera_name_last", "group_id_count", "member_count_sum", "saved_sum")
    return tuple(CameraSummary(*row) for row in zip(*(cameras[name].to_pylist() for name in names), strict=True))


def check_snapshot(snapshot: GroupsSnapshot) -> tuple[Invariant, ...]:
    """Whether the snapshot keeps each of `INVARIANTS`, in their order."""
    groups, members = snapshot.groups, snapshot.members
    places = pc.index_in(members["group_id"], value_set=groups["group_id"])
    strays = _count(pc.is_null(places))
    at = groups.select(["camera_id", "azimuth"]).take(places)
    is_elsewhere = pc.or_(
        pc.not_equal(members["camera_id"], at["camera_id"]), pc.not_equal(members["azimuth"], at["azimuth"])
    )
    elsewhere = _count(pc.fill_null(is_elsewhere, True))

    counted = np.bincount(places.drop_null().to_numpy(), minlength=len(groups))
    miscounted = int((counted != groups["member_count"].to_numpy()).sum())
    twice = len(members) - pc.count_distinct(members["sequence_id"]).as_py()
    both = _count(pc.is_in(members["sequence_id"], value_set=snapshot.ungrouped["sequence_id"]))
    two_labels = _count(pc.and_(pc.is_valid(groups["smoke_type"]), pc.is_valid(groups["false_positive_type"])))
    no_boxes = int((~_are_regions(groups)).sum())
    found = (
        (elsewhere, f"{elsewhere} of {len(members)} members are of another one, {strays} of them in no known group"),
        (miscounted, f"{miscounted} of {len(groups)} groups count otherwise"),
        (twice, f"{twice} memberships too many"),
        (both, f"{both} of {len(snapshot.ungrouped)} are members"),
        (two_labels, f"{two_labels} groups have two"),
        (no_boxes, f"{no_boxes} groups have none"),
    )
    return tuple(Invariant(name, not n, what) for name, (n, what) in zip(INVARIANTS, found, strict=True))


def _are_regions(groups: pa.Table) -> Flags:
    """Which groups have finite corners in order, and a confidence from 0 to 1.

    Medians of valid boxes may all be zero, so this is less than the rule for one box.
    """
    x1, y1, x2, y2, confidence = (groups[name].to_numpy() for name in ("x1", "y1", "x2", "y2", "confidence"))
    is_finite = np.isfinite(np.stack([x1, y1, x2, y2])).all(axis=0)
    flags: Flags = is_finite & (x1 <= x2) & (y1 <= y2) & (confidence >= 0) & (confidence <= 1)
    return flags


def _count(flags: pa.ChunkedArray) -> int:
    return int(pc.sum(flags).as_py() or 0)
