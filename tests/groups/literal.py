"""The rules of grouping followed word by word, to hold the quick ones against."""

import math
import statistics


def representative(detections):
    """The median box, with its confidence, of (recorded_at, id, boxes) each; None without a valid box."""
    first = sorted(detections, key=lambda detection: detection[:2])[:10]
    boxes = [box for *_, some in first for box in some if is_valid(*box[:4])]
    if not boxes:
        return None
    x1, y1, x2, y2, confidence = (statistics.median(values) for values in zip(*boxes, strict=True))
    return x1, y1, x2, y2, min(max(confidence, 0.0), 1.0)


def is_valid(x1, y1, x2, y2):
    if not all(math.isfinite(corner) for corner in (x1, y1, x2, y2)):
        return False
    return not (x1 > x2 or y1 > y2 or x1 == y1 == x2 == y2 == 0)


def overlap(one, other):
    width = max(min(one[2], other[2]) - max(one[0], other[0]), 0.0)
    height = max(min(one[3], other[3]) - max(one[1], other[1]), 0.0)
    shared = width * height
    union = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1]) - shared
    return shared / union if union > 0 else 0.0


def place(newcomers, groups, threshold=0.3, is_open=lambda group: True):
    """The group number of each newcomer (angle, box) in turn; those that found one are appended to ``groups``."""
    places = []
    for angle, box in newcomers:
        best, where = threshold, None
        for number, (group_angle, region) in enumerate(groups):
            if group_angle == angle and is_open(number) and overlap(region, box) > best:
                best, where = overlap(region, box), number
        if where is None:
            where = len(groups)
            groups.append((angle, box))
        places.append(where)
    return places
