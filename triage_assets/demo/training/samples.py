"""What the network is shown of rendered scenes: the tubes of each, their patches, and what each tube truly is.

What lives here: from a scene to labelled patches, by the very steps that scoring takes. What does not: which scenes
(`splits`), keeping them (`cache`), and learning from them (`fit`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from triage_assets.demo.detections import FRAME_GAP_SECONDS, report_frame
from triage_assets.demo.render import render_frame
from triage_assets.demo.scenes import SMOKE_KINDS, Thing
from triage_assets.demo.training.splits import Case
from triage_assets.images import decode_rgb
from triage_assets.scoring.config import PackageConfig
from triage_assets.scoring.crops import PixelBox, crop_box, cut_patch
from triage_assets.scoring.records import FrameInput, ScoringBox, box_from_centre, box_from_corners
from triage_assets.scoring.slots import SlotPlan, plan_slots
from triage_assets.scoring.tubes import Tube, find_tubes, intersection_over_union, union_window

IMAGE_SIZE = (1280, 720)
STRAY = "stray"
"""The kind of a tube around nothing in particular."""
SMOKE, OTHER, UNCLEAR = 1, 0, -1
"""Labels of tubes. Unclear is the plume of a chimney that is not what raised the alarm: it is smoke, and no alarm."""
_SAME_THING = 0.25
_REPORT_STRIDE = 1_000_000


@dataclass(frozen=True)
class Samples:
    """Tubes of many scenes in columns.

    ``patches`` is (n, side, side, 3) uint8. Per tube: ``slots`` (max_frames) rows of patches, -1 past the end;
    ``confidences`` (max_frames), NaN past the end; ``labels``, ``kinds``, ``scenes`` (row of its scene). Per scene:
    ``scene_names``, ``scene_kinds`` (its subject's), ``scene_frames`` (how many were recorded).
    """

    patches: NDArray[np.uint8]
    slots: NDArray[np.int32]
    confidences: NDArray[np.float64]
    labels: NDArray[np.int8]
    kinds: NDArray[np.str_]
    scenes: NDArray[np.int32]
    scene_names: NDArray[np.str_]
    scene_kinds: NDArray[np.str_]
    scene_frames: NDArray[np.int16]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Entries per tube."""
        return np.asarray((self.slots >= 0).sum(axis=1), np.int64)

    @property
    def tubes_beside(self) -> NDArray[np.int64]:
        """How many tubes the scene of each tube has, itself among them."""
        return np.bincount(self.scenes, minlength=len(self.scene_names))[self.scenes]

    @property
    def scene_is_smoke(self) -> NDArray[np.bool_]:
        """The truth of each scene."""
        return np.isin(self.scene_kinds, sorted(SMOKE_KINDS))


def join_samples(parts: Sequence[Samples]) -> Samples:
    """Several sets as one, in order."""
    columns = {field.name: [getattr(part, field.name) for part in parts] for field in fields(Samples)}
    patch_offsets = np.cumsum([0, *(len(part.patches) for part in parts)])
    scene_offsets = np.cumsum([0, *(len(part.scene_names) for part in parts)])
    columns["slots"] = [
        np.where(part.slots >= 0, part.slots + offset, -1).astype(np.int32)
        for part, offset in zip(parts, patch_offsets, strict=False)
    ]
    columns["scenes"] = [
        (part.scenes + offset).astype(np.int32) for part, offset in zip(parts, scene_offsets, strict=False)
    ]
    return Samples(**{name: np.concatenate(values) for name, values in columns.items()})


def report_boxes(case: Case, report: int = 0) -> list[tuple[ScoringBox, ...]]:
    """The boxes of every frame. Reports with other numbers are of a detector in another mood, on the same scene."""
    reports = [
        report_frame(case.seed, case.scene, case.scene_id + report * _REPORT_STRIDE, frame).boxes
        for frame in range(case.n_frames)
    ]
    found = [[box_from_corners(box.x1, box.y1, box.x2, box.y2, box.confidence) for box in boxes] for boxes in reports]
    return [tuple(box for box in boxes if box is not None) for boxes in found]


def render_inputs(case: Case) -> Iterator[FrameInput]:
    """The frames of a scene as scoring takes them."""
    for frame, boxes in enumerate(report_boxes(case)):
        yield FrameInput(render_case_frame(case, frame), boxes)


def render_case_frame(case: Case, frame: int) -> bytes:
    """One frame as a JPEG."""
    return render_frame(case.seed, case.scene, frame * FRAME_GAP_SECONDS, IMAGE_SIZE)


def sample_case(case: Case, n_reports: int, config: PackageConfig) -> Samples:
    """Everything that scoring would cut out of a scene under each of its reports, rendered once."""
    max_frames, pad_to = config.classifier.max_frames, config.infer.pad_to_min_frames
    plan = plan_slots(case.n_frames, max_frames, pad_to, config.infer.pad_strategy)
    reports = [
        find_tubes([boxes[index] for index in plan.frames], config.tubes).tubes
        for boxes in (report_boxes(case, report) for report in range(n_reports))
    ]
    tubes = [(report, tube) for report, found in enumerate(reports) for tube in found]
    patches, slots = _cut(case, plan, [tube for _, tube in tubes], config)
    confidences = np.full((len(tubes), max_frames), np.nan)
    truths: list[Thing | None] = []
    for row, (_, tube) in enumerate(tubes):
        confidences[row, : len(tube.entries)] = [entry.box.confidence for entry in tube.entries if entry.box]
        truths.append(_thing_behind(tube, plan, case))
    return Samples(
        patches=patches,
        slots=slots,
        confidences=confidences,
        labels=np.array([_label(thing, case) for thing in truths], np.int8),
        kinds=np.array([thing.kind if thing else STRAY for thing in truths], "U16"),
        scenes=np.array([report for report, _ in tubes], np.int32),
        scene_names=np.array([case.name] * n_reports, "U32"),
        scene_kinds=np.array([case.scene.subject.kind] * n_reports, "U16"),
        scene_frames=np.array([case.n_frames] * n_reports, np.int16),
    )


def _cut(
    case: Case, plan: SlotPlan, tubes: Sequence[Tube], config: PackageConfig
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    side = config.model_input.patch_size
    windows = [union_window(tube) for tube in tubes]
    slots = np.full((len(tubes), config.classifier.max_frames), -1, np.int32)
    patches: list[NDArray[np.uint8]] = []
    for index in dict.fromkeys(plan.frames):
        wanted = [
            (row, position)
            for row, tube in enumerate(tubes)
            for position, entry in enumerate(tube.entries)
            if plan.frames[entry.frame_idx] == index
        ]
        if not wanted:
            continue
        pixels = decode_rgb(render_case_frame(case, index))
        cut: dict[PixelBox, int] = {}
        for row, position in wanted:
            box = crop_box(windows[row], config.model_input.context_factor, *IMAGE_SIZE)
            if box not in cut:
                cut[box] = len(patches)
                patches.append(cut_patch(pixels, box, side))
            slots[row, position] = cut[box]
    return np.stack(patches) if patches else np.zeros((0, side, side, 3), np.uint8), slots


def _thing_behind(tube: Tube, plan: SlotPlan, case: Case) -> Thing | None:
    """The thing whose true extent the tube's boxes overlap best on average, None where they overlap none well."""

    def overlap(thing: Thing) -> float:
        shares = []
        for slot, box in tube.observed():
            extent = thing.extent(plan.frames[slot] * FRAME_GAP_SECONDS)
            x1, y1, x2, y2 = (min(1.0, max(0.0, edge)) for edge in (extent.x1, extent.y1, extent.x2, extent.y2))
            true = box_from_centre((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1, 1.0)
            shares.append(intersection_over_union(true, box) if true else 0.0)
        return sum(shares) / len(shares)

    best, thing = max(((overlap(thing), thing) for thing in case.scene.things), key=lambda pair: pair[0])
    return thing if best >= _SAME_THING else None


def _label(thing: Thing | None, case: Case) -> int:
    if thing is None or thing.kind not in SMOKE_KINDS:
        return OTHER
    return SMOKE if thing is case.scene.subject else UNCLEAR
