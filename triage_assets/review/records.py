"""What the review database holds, as plain records: labels, stages, groups, members, annotations and decisions.

What lives here: immutable values, and the closed sets of words that they are made of. What does not: tables
(`models`), rules about who may change what (`triage_assets.groups`), or any SQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal


class SmokeType(StrEnum):
    """What kind of smoke a person saw."""

    WILDFIRE = "wildfire"
    INDUSTRIAL = "industrial"
    OTHER = "other"


class FalsePositiveType(StrEnum):
    """What a person saw where the detector saw smoke."""

    ANTENNA = "antenna"
    BUILDING = "building"
    CLIFF = "cliff"
    COMBINE_HARVESTER = "combine_harvester"
    DARK = "dark"
    DUST = "dust"
    HIGH_CLOUD = "high_cloud"
    LOW_CLOUD = "low_cloud"
    LENS_FLARE = "lens_flare"
    LENS_DROPLET = "lens_droplet"
    LIGHT = "light"
    RAIN = "rain"
    TRAIL = "trail"
    ROAD = "road"
    SKY = "sky"
    TREE = "tree"
    WATER_BODY = "water_body"
    OTHER = "other"
    UNLABELED = "unlabeled"


class Stage(StrEnum):
    """How far the annotation of a sequence has come, in order."""

    IMPORTED = "imported"
    READY_TO_ANNOTATE = "ready_to_annotate"
    UNDER_ANNOTATION = "under_annotation"
    SEQ_ANNOTATION_DONE = "seq_annotation_done"
    IN_REVIEW = "in_review"
    NEEDS_MANUAL = "needs_manual"
    ANNOTATED = "annotated"


LOCKED_STAGES = frozenset(Stage) - {Stage.IMPORTED, Stage.READY_TO_ANNOTATE}
"""Bulk and propagation never overwrite an annotation in one of these."""

DECIDED_STAGES = LOCKED_STAGES - {Stage.UNDER_ANNOTATION}
"""A sequence whose annotation is in one of these has been labelled, and waits for nobody."""


class LabelState(StrEnum):
    """What a group's label says; a group with a label that is unsure counts as labeled."""

    LABELED = "labeled"
    UNSURE = "unsure"
    UNLABELED = "unlabeled"


class Origin(StrEnum):
    """How a sequence came by its annotation."""

    PERSON = "person"
    PROPAGATED = "propagated"
    BULK = "bulk"
    INHERITED = "inherited"


COPIED_ORIGINS = frozenset({Origin.PROPAGATED, Origin.INHERITED})
"""The annotation came through the sequence's group: nobody has looked at the sequence itself."""

COPIED_STAGE = Stage.SEQ_ANNOTATION_DONE
"""Where an annotation that came through the group is until somebody takes it up."""


class Action(StrEnum):
    """What was done, in the audit. All but `INHERIT` are done by people."""

    VALIDATE = "validate"
    UNVALIDATE = "unvalidate"
    REMOVE_MEMBER = "remove_member"
    RE_INCLUDE = "re_include"
    ANNOTATE = "annotate"
    PROPAGATE = "propagate"
    BULK_ANNOTATE = "bulk_annotate"
    RELABEL = "relabel"
    ASSIGN = "assign"
    INHERIT = "inherit"


class SkippedReason(StrEnum):
    """Why a sequence cannot be grouped."""

    NO_CAMERA = "no_camera"
    NO_AZIMUTH = "no_azimuth"
    NO_VALID_BOX = "no_valid_box"


@dataclass(frozen=True, slots=True)
class Label:
    """Exactly one of a smoke type and a false-positive type. Raises `ValueError` for both or neither."""

    smoke_type: SmokeType | None = None
    false_positive_type: FalsePositiveType | None = None

    def __post_init__(self) -> None:
        if (self.smoke_type is None) == (self.false_positive_type is None):
            raise ValueError("a label is exactly one of a smoke type and a false-positive type")

    def __str__(self) -> str:
        return f"smoke: {self.smoke_type}" if self.smoke_type else f"false positive: {self.false_positive_type}"


@dataclass(frozen=True, slots=True)
class RegionBox:
    """Corners normalised to the image (x to the right, y down) with x1 <= x2 and y1 <= y2; confidence from 0 to 1."""

    x1: float
    y1: float
    x2: float
    y2: float
    confidence: float

    @property
    def xyxyn(self) -> tuple[float, float, float, float]:
        """The corners alone."""
        return (self.x1, self.y1, self.x2, self.y2)


@dataclass(frozen=True, slots=True)
class BoxOnFrame:
    """One box of a cluster: the detection (frame) that it was found on, and its corners."""

    detection_id: int
    xyxyn: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Cluster:
    """What one thing in a sequence is: its boxes over time, and its label.

    Smoke may be of no stated type; a false positive has any number of types.
    """

    is_smoke: bool
    smoke_type: SmokeType | None
    false_positive_types: tuple[FalsePositiveType, ...]
    boxes: tuple[BoxOnFrame, ...]


@dataclass(frozen=True, slots=True)
class Annotation:
    """What is known about one sequence: one cluster per thing in it."""

    sequence_id: int
    stage: Stage
    clusters: tuple[Cluster, ...]
    is_unsure: bool
    origin: Origin

    @property
    def has_smoke(self) -> bool:
        """Whether any cluster is smoke."""
        return any(cluster.is_smoke for cluster in self.clusters)

    @property
    def has_false_positives(self) -> bool:
        """Whether any cluster is a false positive."""
        return any(not cluster.is_smoke for cluster in self.clusters)

    @property
    def smoke_types(self) -> tuple[SmokeType, ...]:
        """Each smoke type once, in the order of the clusters."""
        return tuple(dict.fromkeys(c.smoke_type for c in self.clusters if c.is_smoke and c.smoke_type))

    @property
    def false_positive_types(self) -> tuple[FalsePositiveType, ...]:
        """Each false-positive type once, in the order of the clusters."""
        return tuple(dict.fromkeys(kind for c in self.clusters if not c.is_smoke for kind in c.false_positive_types))


@dataclass(frozen=True, slots=True)
class StoredAnnotation:
    """An annotation as it was kept, with everybody who contributed to it, first contributor first.

    ``revision`` is the number of the write that it is of.
    """

    annotation: Annotation
    contributors: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    revision: int


@dataclass(frozen=True, slots=True)
class Group:
    """A recurring thing at one camera angle. ``region`` is its founder's box, and never changes.

    ``camera_name``, ``organization_key`` and ``organization_name`` are the founder's. Scores are those of its members,
    None while none is scored. People are given by name. ``revision`` is the number of the write that last changed it.
    """

    id: int
    camera_id: int
    camera_name: str
    azimuth: int
    organization_key: str
    organization_name: str
    region: RegionBox
    label: Label | None
    is_unsure: bool
    is_validated: bool
    validated_at: datetime | None
    validated_by: str | None
    labeled_at: datetime | None
    labeled_by: str | None
    created_at: datetime
    updated_at: datetime
    member_count: int
    highest_score: float | None
    lowest_score: float | None
    revision: int

    @property
    def label_state(self) -> LabelState:
        """Labeled, unsure or unlabeled."""
        if self.label is not None:
            return LabelState.LABELED
        return LabelState.UNSURE if self.is_unsure else LabelState.UNLABELED


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """One member's first frame, to be drawn small; ``boxes`` are the frame's detected ones."""

    sequence_id: int
    detection_id: int
    boxes: tuple[RegionBox, ...]


@dataclass(frozen=True, slots=True)
class GroupListItem:
    """A group with what a list shows of it: up to three thumbnails (first, middle, last member), its annotators."""

    group: Group
    thumbnails: tuple[Thumbnail, ...]
    annotators: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Member:
    """One sequence of a group, or one that was taken out of it.

    ``stage``, ``is_unsure``, ``has_smoke`` and ``origin`` are None where it has no annotation. ``contributors`` are in
    order of their first contribution; ``origin`` tells who looked at the sequence itself from who labelled its group.
    """

    sequence_id: int
    organization_key: str
    recorded_at: datetime
    last_seen_at: datetime
    stage: Stage | None
    label: Label | None
    is_unsure: bool | None
    has_smoke: bool | None
    origin: Origin | None
    contributors: tuple[str, ...]
    first_detection_id: int | None
    first_boxes: tuple[RegionBox, ...]
    score: float | None


@dataclass(frozen=True, slots=True)
class SequenceState:
    """Where one sequence stands when something is decided about it.

    ``stage`` and ``origin`` are those of its annotation, None where it has none.
    """

    id: int
    organization_key: str
    group_id: int | None
    is_group_excluded: bool
    excluded_from: int | None
    stage: Stage | None
    origin: Origin | None

    @property
    def is_locked(self) -> bool:
        """Whether bulk and propagation leave its annotation alone.

        A label that was copied to it counts only while it is in its group: excluded, it may be given another.
        """
        return self.stage in LOCKED_STAGES and not (self.is_copy and self.is_group_excluded)

    @property
    def is_copy(self) -> bool:
        """Whether its annotation is a label that came through its group, and nobody has touched it since."""
        return self.stage is COPIED_STAGE and self.origin in COPIED_ORIGINS


@dataclass(frozen=True, slots=True)
class Decision:
    """One line of the audit. ``by`` is None for what the assignment did by itself; ``details`` says the rest."""

    id: int
    at: datetime
    by: str | None
    action: Action
    group_id: int | None
    sequence_id: int | None
    details: dict[str, object]


GroupOrder = Literal["member_count", "created_at", "camera_name", "azimuth", "score"]


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Which groups a list is about; what is None does not filter. Singletons are hidden unless asked for."""

    min_members: int = 2
    label_state: LabelState | None = LabelState.UNLABELED
    is_validated: bool | None = None
    camera_id: int | None = None
    azimuth: int | None = None
    organization_key: str | None = None


@dataclass(frozen=True, slots=True)
class GroupStats:
    """Counts of groups under one filter, in every label state and validation, whichever of those it wants."""

    cells: Mapping[tuple[LabelState, bool], int]

    def count(self, label_state: LabelState | None = None, is_validated: bool | None = None) -> int:
        """How many are in this label state and this validation; None is any."""
        return sum(
            n
            for (state, validation), n in self.cells.items()
            if label_state in (None, state) and is_validated in (None, validation)
        )
