"""Assignment: which group each newcomer joins, and which newcomers found one.

What lives here: the rule, for many camera angles at once, on arrays. What does not: where boxes come from (`boxes`),
which sequences are newcomers, and the database.

The rule takes newcomers one after the other. The result here is the same to the last bit, a block of newcomers at a
time: overlaps come as matrices, and only the founders within a block are chosen one by one, as bits of an integer.
"""

from dataclasses import dataclass

import numpy as np

from triage_assets.groups.boxes import Flags, Floats, Integers

# A block costs its square, many blocks cost their calls.
_BLOCK = 128
_OVERLAPS_AT_ONCE = 65_536  # half a megabyte of each intermediate result stays in a core's cache


@dataclass(frozen=True, slots=True)
class Regions:
    """Boxes and the camera angles that they are seen from; ``corners`` is x1, y1, x2, y2 by regions."""

    camera_ids: Integers
    azimuths: Integers
    corners: Floats

    def __len__(self) -> int:
        return len(self.camera_ids)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where each newcomer goes: ``places`` counts the groups that were there, then those ``founders`` found in order.

    ``founders`` are positions among the newcomers; the first of them founds the group after the last one that was
    there.
    """

    places: Integers
    founders: Integers


def overlap(one: Floats, others: Floats) -> Floats:
    """Intersection over union of every box of one set with every box of another; 0 where their union has no area."""
    with np.errstate(over="ignore", invalid="ignore"):
        x1, y1, x2, y2 = one[:, :, None]
        width = np.minimum(x2, others[2]) - np.maximum(x1, others[0])
        height = np.minimum(y2, others[3]) - np.maximum(y1, others[1])
        shared = np.maximum(width, 0.0, out=width) * np.maximum(height, 0.0, out=height)
        union = (x2 - x1) * (y2 - y1) + (others[2] - others[0]) * (others[3] - others[1]) - shared
        shares: Floats = np.divide(shared, union, out=np.zeros_like(union), where=union > 0.0)
    return shares


def assign(newcomers: Regions, groups: Regions, iou_threshold: float) -> Assignment:
    """Place newcomers, given in their order, among groups, given oldest first.

    A newcomer joins the group of its camera angle that overlaps it most, strictly above the threshold, the oldest of
    several; otherwise it founds one.
    """
    angles, group_angles = _number_angles(newcomers, groups)
    order, group_order = np.argsort(angles, kind="stable"), np.argsort(group_angles, kind="stable")
    found = np.unique(angles)
    spans = zip(*_spans(angles[order], found), *_spans(group_angles[group_order], found), strict=True)

    joined = np.empty(len(newcomers), np.int64)  # a group's position, or ~ the position of the newcomer that founded it
    for start, end, group_start, group_end in spans:
        members, there = order[start:end], group_order[group_start:group_end]
        places, founders = _assign_one_angle(newcomers.corners[:, members], groups.corners[:, there], iou_threshold)
        joined[members] = np.concatenate([there, ~members[founders]])[places]
    founders = np.flatnonzero(joined == ~np.arange(len(newcomers)))
    return Assignment(np.where(joined >= 0, joined, len(groups) + np.searchsorted(founders, ~joined)), founders)


def _number_angles(newcomers: Regions, groups: Regions) -> tuple[Integers, Integers]:
    """A number for the camera angle of every newcomer, and of every group."""
    _, cameras = np.unique(np.concatenate([newcomers.camera_ids, groups.camera_ids]), return_inverse=True)
    azimuths, turned = np.unique(np.concatenate([newcomers.azimuths, groups.azimuths]), return_inverse=True)
    numbers: Integers = cameras * len(azimuths) + turned
    return numbers[: len(newcomers)], numbers[len(newcomers) :]


def _spans(ordered: Integers, wanted: Integers) -> tuple[list[int], list[int]]:
    """Where each wanted number starts and ends among numbers in order."""
    return np.searchsorted(ordered, wanted, "left").tolist(), np.searchsorted(ordered, wanted, "right").tolist()


def _assign_one_angle(boxes: Floats, there: Floats, iou_threshold: float) -> tuple[Integers, Integers]:
    """Where each box goes among the regions there and those founded after them, and which boxes founded those."""
    n_regions = there.shape[1]
    regions = np.empty((4, n_regions + boxes.shape[1]))
    regions[:, :n_regions] = there
    places = np.empty(boxes.shape[1], np.int64)
    founders: list[Integers] = []
    for start in range(0, boxes.shape[1], _BLOCK):
        block = boxes[:, start : start + _BLOCK]
        best, where = _best_overlaps(regions[:, :n_regions], block, iou_threshold)
        outside = np.flatnonzero(where < 0)
        if len(outside):
            among = overlap(block[:, outside], block)
            chosen = _choose_founders(among[:, outside] > iou_threshold)
            new = outside[chosen]
            _join_founders(among[chosen], new, n_regions, best, where)
            regions[:, n_regions : n_regions + len(new)] = block[:, new]
            n_regions += len(new)
            founders.append(start + new)
        places[start : start + _BLOCK] = where
    return places, np.concatenate([np.empty(0, np.int64), *founders])


def _best_overlaps(regions: Floats, boxes: Floats, iou_threshold: float) -> tuple[Floats, Integers]:
    """The largest overlap of each box above the threshold and the first region that has it; -1 where there is none."""
    best = np.full(boxes.shape[1], iou_threshold)
    where = np.full(boxes.shape[1], -1)
    columns = np.arange(boxes.shape[1])
    step = max(1, _OVERLAPS_AT_ONCE // max(1, boxes.shape[1]))
    for start in range(0, regions.shape[1], step):
        overlaps = overlap(regions[:, start : start + step], boxes)
        top = overlaps.argmax(axis=0)
        values = overlaps[top, columns]
        is_better = values > best
        best[is_better] = values[is_better]
        where[is_better] = start + top[is_better]
    return best, where


def _choose_founders(overlaps_enough: Flags) -> Integers:
    """Who founds a group among candidates in order: whoever no founder before it overlaps enough."""
    rows = np.packbits(overlaps_enough, axis=1, bitorder="little")
    free = (1 << len(rows)) - 1
    founders = []
    while free:
        founder = (free & -free).bit_length() - 1
        founders.append(founder)
        free &= ~(int.from_bytes(rows[founder].tobytes(), "little") | 1 << founder)
    return np.array(founders, np.int64)


def _join_founders(overlaps: Floats, founders: Integers, first_place: int, best: Floats, where: Integers) -> None:
    """Move whoever overlaps a founder before it more than any region so far; each founder goes to its own."""
    columns = np.arange(overlaps.shape[1])
    overlaps[founders[:, None] >= columns] = 0.0  # nobody joins what was founded after it
    top = overlaps.argmax(axis=0)
    is_better = overlaps[top, columns] > best
    where[is_better] = first_place + top[is_better]
    where[founders] = first_place + np.arange(len(founders))
