"""What the overlap threshold of sequence groups trades: `python -m benchmarks.groups [--sequences 860] [--noise 0.3]`.

What lives here: the rule of `triage_assets.groups` at several thresholds, on demo alarms whose true things are known,
and with `--store FOLDER` on a backlog of your own, where people's labels are all that is known. What does not: the
rule.
"""

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from triage_assets.annotator.records import Detection, SequenceRow, partition_key
from triage_assets.annotator.snapshot import ROWS_PER_GROUP, SnapshotWriter, detections_array, snapshot_path
from triage_assets.demo.backlog import READY, DemoBacklog, DemoSequence
from triage_assets.folder_store import FolderStore
from triage_assets.groups.assignment import Regions, assign
from triage_assets.groups.newcomers import SKIPPED_BEFORE
from triage_assets.groups.records import IOU_THRESHOLD
from triage_assets.groups.snapshot import load_snapshot
from triage_assets.review.records import DECIDED_STAGES, Origin
from triage_assets.store import Store
from triage_assets.stored_newcomers import read_newcomers

Integers = NDArray[np.int64]

THRESHOLDS = tuple(round(0.1 + 0.05 * step, 2) for step in range(11))
_NO_GROUPS = Regions(np.empty(0, np.int64), np.empty(0, np.int64), np.empty((4, 0)))


@dataclass(frozen=True, slots=True)
class Alarms:
    """The sequences of a backlog that can be grouped, in the order of assignment, and how many others there are."""

    ids: Integers
    regions: Regions
    n_skipped: int

    @property
    def angles(self) -> Integers:
        """A number for the camera angle of each."""
        return _number(self.regions.camera_ids, self.regions.azimuths)

    def group(self, threshold: float) -> Integers:
        """A number for the group of each."""
        return assign(self.regions, _NO_GROUPS, threshold).places


@dataclass(frozen=True, slots=True)
class World:
    """A demo backlog with the truth about it: a number for the thing behind each alarm, and whether that is smoke."""

    alarms: Alarms
    things: Integers
    is_smoke: NDArray[np.bool_]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=860, help="in each demo backlog")
    parser.add_argument("--seeds", type=int, default=12, help="demo backlogs, each with things of its own")
    parser.add_argument(
        "--noise",
        type=float,
        default=0.0,
        help="added to every edge of an alarm's box: a standard deviation, as a share of its width or height",
    )
    parser.add_argument("--store", type=Path, help="the folder of a store of your own; it is only read")
    options = parser.parse_args()
    if options.store is None:
        measure_demo([build_world(options.sequences, seed, options.noise) for seed in range(options.seeds)])
    else:
        measure_store(FolderStore(options.store))


def measure_demo(worlds: Sequence[World]) -> None:
    """Groups against the truth, over several worlds together."""
    n_placed = sum(len(world.things) for world in worlds)
    n_alarms = n_placed + sum(world.alarms.n_skipped for world in worlds)
    n_angles = sum(_count(world.alarms.angles) for world in worlds)
    n_things = sum(_count(world.things) for world in worlds)
    n_smoke = sum(int(world.is_smoke.sum()) for world in worlds)
    print(f"{n_alarms:,} alarms, {n_placed:,} of them with a box, at {n_angles} camera angles in {len(worlds)} worlds")
    print(
        f"{n_things:,} things: groups that were right would save {(n_placed - n_things) / n_alarms:.1%} of the clicks\n"
    )
    print("| IoU | groups | precision | recall | clicks saved | among other things | smoke among no smoke |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    for threshold in THRESHOLDS:
        n_groups = n_pairs = n_right = n_possible = n_misplaced = n_hidden = 0
        for world in worlds:
            groups = world.alarms.group(threshold)
            both = _number(groups, world.things)
            n_groups += _count(groups)
            n_pairs += _pairs(groups)
            n_right += _pairs(both)
            n_possible += _pairs(world.things)
            n_misplaced += _outside_the_largest(groups, both)
            n_hidden += _smoke_among_no_smoke(groups, world.is_smoke)
        print(
            f"| {_mark(threshold)} | {n_groups:,} | {n_right / n_pairs:.3f} | {n_right / n_possible:.3f} "
            f"| {(n_placed - n_groups) / n_alarms:.1%} | {n_misplaced / n_placed:.1%} | {n_hidden / n_smoke:.1%} |"
        )


def measure_store(store: Store) -> None:
    """What can be said without knowing the truth, and what people's own labels say of it."""
    alarms = read_alarms(store)
    if not len(alarms.ids):
        print("no sequence in this store can be grouped")
        return
    n_alarms = len(alarms.ids) + alarms.n_skipped
    labels = _own_labels(store, alarms)
    is_known = labels >= 0
    print(f"{n_alarms:,} sequences, {len(alarms.ids):,} of them with a box, at {_count(alarms.angles):,} camera angles")
    print(f"{int(is_known.sum()):,} have one label that a person gave to them alone\n")
    print("| IoU | groups | in a group of 2 or more | clicks saved | labelled pairs in a group | of one label |")
    print("|---:|---:|---:|---:|---:|---:|")
    for threshold in THRESHOLDS:
        groups = alarms.group(threshold)
        sizes = np.bincount(groups)
        n_pairs = _pairs(groups[is_known])
        n_right = _pairs(_number(groups[is_known], labels[is_known]))
        print(
            f"| {_mark(threshold)} | {_count(groups):,} | {sizes[sizes > 1].sum() / n_alarms:.1%} "
            f"| {(len(groups) - _count(groups)) / n_alarms:.1%} | {n_pairs:,} "
            f"| {f'{n_right / n_pairs:.3f}' if n_pairs else 'unknown'} |"
        )


def build_world(n_sequences: int, seed: int, noise: float) -> World:
    """A demo backlog in a store of its own, read as any backlog is; then its boxes are made noisier."""
    backlog = DemoBacklog(n_sequences, seed)
    with tempfile.TemporaryDirectory() as folder:
        store = FolderStore(Path(folder))
        _store_backlog(store, backlog)
        alarms = _add_noise(read_alarms(store), noise, seed)
    subjects = [backlog.subject(sequence_id) for sequence_id in alarms.ids.tolist()]
    names = np.unique([subject.id for subject in subjects], return_inverse=True)[1]
    is_smoke = np.array([backlog.is_smoke(sequence_id) for sequence_id in alarms.ids.tolist()])
    return World(alarms, _number(alarms.angles, names), is_smoke)


def read_alarms(store: Store) -> Alarms:
    """All sequences of the stored backlog, as if none were in a group yet."""
    found = read_newcomers(store, np.empty(0, np.int64), SKIPPED_BEFORE.empty_table(), {}).newcomers
    placed = found.filter(pc.is_null(found["skipped_reason"]))
    corners = np.stack([placed[name].to_numpy() for name in ("x1", "y1", "x2", "y2")])
    regions = Regions(placed["camera_id"].to_numpy(), placed["azimuth"].to_numpy(), corners)
    return Alarms(placed["id"].to_numpy(), regions, len(found) - len(placed))


def _add_noise(alarms: Alarms, noise: float, seed: int) -> Alarms:
    x1, y1, x2, y2 = alarms.regions.corners
    size = np.stack([x2 - x1, y2 - y1, x2 - x1, y2 - y1])
    moved = alarms.regions.corners + np.random.default_rng(seed).normal(0.0, noise, size.shape) * size
    corners = np.concatenate([np.minimum(moved[:2], moved[2:]), np.maximum(moved[:2], moved[2:])])
    return replace(alarms, regions=replace(alarms.regions, corners=corners))


def _store_backlog(store: Store, backlog: DemoBacklog) -> None:
    organizations: dict[str, list[DemoSequence]] = {}
    for sequence in backlog.sequences:
        if sequence.stage == READY:
            organizations.setdefault(partition_key(sequence.organization), []).append(sequence)
    for key, sequences in organizations.items():
        writer = SnapshotWriter(key, sequences[0].organization.name, READY)
        for start in range(0, len(sequences), ROWS_PER_GROUP):
            some = sequences[start : start + ROWS_PER_GROUP]
            writer.write(list(map(_row, some)), detections_array([_detections(backlog, each.id) for each in some]))
        store.write(snapshot_path(key), writer.finish())


def _row(sequence: DemoSequence) -> SequenceRow:
    return SequenceRow(
        id=sequence.id, organization_id=sequence.organization.id, organization_name=sequence.organization.name,
        camera_id=sequence.camera.id, camera_name=sequence.camera.name, azimuth=sequence.view.azimuth,
        recorded_at=sequence.recorded_at, last_seen_at=sequence.last_seen_at, created_at=None, lat=None, lon=None,
        source_api=None, alert_api_id=None, is_wildfire_alertapi=None, annotator_group_id=None,
    )  # fmt: skip


def _detections(backlog: DemoBacklog, sequence_id: int) -> list[Detection]:
    return [
        Detection(each.id, sequence_id, each.recorded_at, each.bucket_key, each.boxes)
        for each in backlog.detections(sequence_id)
    ]


def _own_labels(store: Store, alarms: Alarms) -> Integers:
    """A number for the one label that a person gave to a sequence itself, -1 where there is none.

    What was copied to a group's members, or given to many at once, says nothing about the group: it followed from it.
    """
    snapshot = load_snapshot(store)
    labels: dict[int, str] = {}
    columns = ["sequence_id", "stage", "origin", "smoke_types", "false_positive_types"]
    for row in snapshot.annotations.select(columns).to_pylist() if snapshot is not None else []:
        kinds = [*(f"smoke {kind}" for kind in row["smoke_types"]), *row["false_positive_types"]]
        if row["origin"] == Origin.PERSON and row["stage"] in DECIDED_STAGES and len(kinds) == 1:
            labels[row["sequence_id"]] = kinds[0]
    numbers = {label: number for number, label in enumerate(sorted(set(labels.values())))}
    return np.array([numbers[labels[each]] if each in labels else -1 for each in alarms.ids.tolist()], np.int64)


def _number(one: Integers, other: Integers) -> Integers:
    """A number for each distinct pair of values."""
    return np.unique(np.stack([one, other]), axis=1, return_inverse=True)[1].astype(np.int64)


def _count(numbers: Integers) -> int:
    return len(np.unique(numbers))


def _pairs(numbers: Integers) -> int:
    """Pairs of alarms of one number."""
    sizes = np.bincount(numbers) if len(numbers) else np.empty(0, np.int64)
    return int((sizes * (sizes - 1) // 2).sum())


def _outside_the_largest(groups: Integers, groups_and_things: Integers) -> int:
    """Alarms whose thing is not the one that most of their group's alarms are of: a group's label misses them."""
    _, first, sizes = np.unique(groups_and_things, return_index=True, return_counts=True)
    largest = np.zeros(groups.max() + 1, np.int64)
    np.maximum.at(largest, groups[first], sizes)
    return int(len(groups) - largest.sum())


def _smoke_among_no_smoke(groups: Integers, is_smoke: NDArray[np.bool_]) -> int:
    """Smoke in groups of which most is none: what labelling such a group would finish as a false positive unseen."""
    n_smoke = np.bincount(groups, weights=is_smoke)
    return int(n_smoke[2 * n_smoke < np.bincount(groups)].sum())


def _mark(threshold: float) -> str:
    return f"**{threshold:.2f}**" if threshold == IOU_THRESHOLD else f"{threshold:.2f}"


if __name__ == "__main__":
    main()
