"""How boxes become tubes: tracking from frame to frame, filtering, merging of fragments, and filling of gaps.

What lives here: plain arithmetic on boxes, in the order of operations that the published numbers depend on. What does
not: pixels, crops or scores.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from triage_assets.scoring.config import TubesConfig
from triage_assets.scoring.records import Roi, ScoringBox, TubeEntry, Window


@dataclass(frozen=True, slots=True)
class Tube:
    """One object through time: an entry for every slot from its first to its last observed box."""

    tube_id: int
    entries: tuple[TubeEntry, ...]

    @property
    def start(self) -> int:
        """The first slot."""
        return self.entries[0].frame_idx

    @property
    def end(self) -> int:
        """The last slot."""
        return self.entries[-1].frame_idx

    def observed(self) -> list[tuple[int, ScoringBox]]:
        """Slot and box of every entry that a detector saw."""
        return [(entry.frame_idx, entry.box) for entry in self.entries if entry.box is not None and not entry.is_gap]


@dataclass(frozen=True, slots=True)
class TubeSet:
    """The tubes of a sequence, and how many there were before filtering and before the region of interest."""

    tubes: tuple[Tube, ...]
    num_candidates: int
    num_outside_roi: int


def find_tubes(slots: Sequence[Sequence[ScoringBox]], config: TubesConfig, roi: Roi | None = None) -> TubeSet:
    """The tubes that are scored, from the boxes of each slot.

    Tube ids are positions before the region of interest is applied, so that they do not change with it.
    """
    candidates = track_boxes(slots, config.iou_threshold, config.max_misses)
    kept = _long_enough(candidates, config)
    if config.merges:
        kept = _long_enough(merge_fragments(kept, config), config)
    if config.interpolate_gaps:
        kept = [fill_gaps(tube) for tube in kept]
    numbered = [replace(tube, tube_id=number) for number, tube in enumerate(kept)]
    inside = [tube for tube in numbered if roi is None or _touches(tube, roi)]
    return TubeSet(tuple(inside), len(candidates), len(numbered) - len(inside))


def track_boxes(slots: Sequence[Sequence[ScoringBox]], iou_threshold: float, max_misses: int) -> list[Tube]:
    """Greedy tracking: in each slot the best overlapping pairs of live tube and box go together, one to one.

    Ties go to the older tube, then to the earlier box. A tube ends when it stayed unmatched for more than
    ``max_misses`` slots in a row; trailing misses are no part of it.
    """
    tracks: list[list[tuple[int, ScoringBox]]] = []
    for slot, boxes in enumerate(slots):
        live = [track for track in tracks if slot - track[-1][0] <= max_misses + 1]
        pairs = [
            (-overlap, row, column)
            for row, track in enumerate(live)
            for column, box in enumerate(boxes)
            if (overlap := intersection_over_union(track[-1][1], box)) >= iou_threshold
        ]
        matched_tracks: set[int] = set()
        matched_boxes: set[int] = set()
        for _, row, column in sorted(pairs):
            if row not in matched_tracks and column not in matched_boxes:
                matched_tracks.add(row)
                matched_boxes.add(column)
                live[row].append((slot, boxes[column]))
        tracks.extend([(slot, box)] for column, box in enumerate(boxes) if column not in matched_boxes)
    return [_tube(track) for track in tracks]


def merge_fragments(tubes: Sequence[Tube], config: TubesConfig) -> list[Tube]:
    """Fuse tubes that are pieces of one plume; the result is ordered by first, then last slot."""
    assert config.merge_iomin is not None
    observed = [tube.observed() for tube in tubes]
    component = list(range(len(tubes)))
    for first in range(len(tubes)):
        for second in range(first + 1, len(tubes)):
            if component[first] != component[second] and _is_same_plume(observed[first], observed[second], config):
                old, new = component[second], component[first]
                component = [new if label == old else label for label in component]
    merged = []
    for label in dict.fromkeys(component):
        best: dict[int, ScoringBox] = {}
        for index, boxes in enumerate(observed):
            if component[index] == label:
                for slot, box in boxes:
                    if slot not in best or _rank(box) > _rank(best[slot]):
                        best[slot] = box
        merged.append(_tube(sorted(best.items(), key=lambda item: item[0])))
    return sorted(merged, key=lambda tube: (tube.start, tube.end))


def fill_gaps(tube: Tube) -> Tube:
    """Give every missed slot a box on the straight line between its observed neighbours, with confidence 0.0."""
    entries: list[TubeEntry] = []
    observed = tube.observed()
    for (left_slot, left), (right_slot, right) in pairwise(observed):
        entries.append(TubeEntry(left_slot, left))
        for slot in range(left_slot + 1, right_slot):
            share = (slot - left_slot) / (right_slot - left_slot)
            box = ScoringBox(
                left.cx + share * (right.cx - left.cx),
                left.cy + share * (right.cy - left.cy),
                left.w + share * (right.w - left.w),
                left.h + share * (right.h - left.h),
                confidence=0.0,
            )
            entries.append(TubeEntry(slot, box, is_gap=True))
    entries.append(TubeEntry(*observed[-1]))
    return replace(tube, entries=tuple(entries))


def union_window(tube: Tube) -> Window:
    """The smallest window that holds every observed box of the tube."""
    boxes = [box for _, box in tube.observed()]
    left = min(box.cx - box.w / 2 for box in boxes)
    top = min(box.cy - box.h / 2 for box in boxes)
    right = max(box.cx + box.w / 2 for box in boxes)
    bottom = max(box.cy + box.h / 2 for box in boxes)
    return Window((left + right) / 2, (top + bottom) / 2, right - left, bottom - top)


def intersection_over_union(a: ScoringBox, b: ScoringBox) -> float:
    """The share of the two boxes' union that both cover."""
    shared = _intersection(a, b)
    return shared / (a.area + b.area - shared)


def _intersection(a: ScoringBox, b: ScoringBox) -> float:
    width = min(a.cx + a.w / 2, b.cx + b.w / 2) - max(a.cx - a.w / 2, b.cx - b.w / 2)
    height = min(a.cy + a.h / 2, b.cy + b.h / 2) - max(a.cy - a.h / 2, b.cy - b.h / 2)
    return max(0.0, width) * max(0.0, height)


def _tube(track: Sequence[tuple[int, ScoringBox]]) -> Tube:
    boxes = dict(track)
    first, last = track[0][0], track[-1][0]
    return Tube(-1, tuple(TubeEntry(slot, boxes.get(slot)) for slot in range(first, last + 1)))


def _long_enough(tubes: Sequence[Tube], config: TubesConfig) -> list[Tube]:
    return [
        tube
        for tube in tubes
        if len(tube.entries) >= config.infer_min_tube_length and len(tube.observed()) >= config.min_detected_entries
    ]


def _is_same_plume(
    a: Sequence[tuple[int, ScoringBox]], b: Sequence[tuple[int, ScoringBox]], config: TubesConfig
) -> bool:
    assert config.merge_iomin is not None and config.merge_prox_factor is not None and config.merge_max_gap is not None
    if max(0, b[0][0] - a[-1][0], a[0][0] - b[-1][0]) > config.merge_max_gap:
        return False
    # Of several equally near pairs of slots, the first counts: earliest in a, then earliest in b.
    _, one, other = min(
        ((abs(slot_a - slot_b), box_a, box_b) for slot_a, box_a in a for slot_b, box_b in b), key=lambda pair: pair[0]
    )
    if _intersection(one, other) / min(one.area, other.area) >= config.merge_iomin:
        return True
    distance = math.hypot(one.cx - other.cx, one.cy - other.cy)
    return distance <= config.merge_prox_factor * max(one.w, one.h, other.w, other.h)


def _rank(box: ScoringBox) -> tuple[float, float, float]:
    return (box.area, box.confidence, box.cx)


def _touches(tube: Tube, roi: Roi) -> bool:
    return any(
        box.cx - box.w / 2 <= roi.x_max
        and box.cx + box.w / 2 >= roi.x_min
        and box.cy - box.h / 2 <= roi.y_max
        and box.cy + box.h / 2 >= roi.y_min
        for _, box in tube.observed()
    )
