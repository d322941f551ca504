"""Which scenes the demo's model is trained, calibrated and tested on: three casts of cameras that share nothing.

What lives here: seeds, made-up cameras and views, and the choice of scenes. What does not: how scenes look, and what is
cut out of them (`samples`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from triage_assets.annotator.records import Organization
from triage_assets.demo.places import Camera, View, random_stream
from triage_assets.demo.scenes import SMOKE_KINDS, Scene, build_scene

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
# Far from the demo's own cameras (1000 and up) and from the small seeds that people give a demo backlog. Everything
# random about a view or a thing is named by the seed and the camera's id, so disjoint numbers share no landscape.
_FIRST_CAMERA_ID = 900_000
_CAMERAS_PER_SPLIT = 10_000
_FIRST_SEED = 7_000_000
# Number 2 is nobody's: its scenes were looked at while the calibrator's rule was made, so they test nothing any more.
_SEEDS_EACH = 4
_SCENES_PER_VIEW = 10_000
# As in the demo's backlog.
_MAX_FRAMES = 30
_MEAN_FRAMES = 7.8


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How many views a split has, and how many scenes of each: with smoke as their subject, and without."""

    split: Split
    seed: int
    n_views: int
    n_smoke_per_view: int
    n_other_per_view: int
    n_reports: int

    @property
    def n_scenes(self) -> int:
        """All scenes of the split."""
        return self.n_views * (self.n_smoke_per_view + self.n_other_per_view)


@dataclass(frozen=True, slots=True)
class Case:
    """One scene with its name, unique among all splits of a seed, and the number of frames that were recorded of it."""

    name: str
    seed: int
    scene_id: int
    n_frames: int
    scene: Scene

    @property
    def is_smoke(self) -> bool:
        """Whether its alarm is a true one: the truth that a whole sequence is judged by."""
        return self.scene.subject.kind in SMOKE_KINDS


def plan_splits(seed: int, scale: float = 1.0) -> tuple[SplitPlan, SplitPlan, SplitPlan]:
    """The three splits of a seed; ``scale`` below 1 takes fewer views, for a quick trial.

    Smoke is 40% of the training scenes and a third of the others, against 15% of an operational backlog: rarer, it
    would teach little and be measured badly. Training scenes are seen twice, through two different detector reports.
    """

    def views(n: int) -> int:
        return max(1, round(n * scale))

    seeds = [_FIRST_SEED + _SEEDS_EACH * seed + number for number in (0, 1, 3)]
    return (
        SplitPlan("train", seeds[0], views(90), 8, 12, 2),
        SplitPlan("validation", seeds[1], views(40), 5, 10, 1),
        SplitPlan("test", seeds[2], views(80), 5, 10, 1),
    )


def make_view(split: Split, number: int, seed: int) -> View:
    """A view of a camera that exists for one split only."""
    draw = random_stream(seed, "training camera", number)
    camera = Camera(
        id=_FIRST_CAMERA_ID + SPLITS.index(split) * _CAMERAS_PER_SPLIT + number,
        name=f"{split}-{number:03d}",
        organization=Organization(999, "Training"),
        lat=0.0,
        lon=0.0,
        azimuths=(draw.randrange(360),),
    )
    return View(camera, camera.azimuths[0])


def choose_cases(plan: SplitPlan, number: int) -> Iterator[Case]:
    """The scenes of one view of a split: the first of its endless series that fill both quotas."""
    view = make_view(plan.split, number, plan.seed)
    wanted = {True: plan.n_smoke_per_view, False: plan.n_other_per_view}
    scene_id = number * _SCENES_PER_VIEW
    while any(wanted.values()):
        scene_id += 1
        draw = random_stream(plan.seed, "training sequence", scene_id)
        n_frames = min(_MAX_FRAMES, 1 + int(draw.expovariate(1 / _MEAN_FRAMES)))
        case = Case(f"{plan.split}-{scene_id}", plan.seed, scene_id, n_frames, build_scene(plan.seed, view, scene_id))
        if wanted[case.is_smoke]:
            wanted[case.is_smoke] -= 1
            yield case
