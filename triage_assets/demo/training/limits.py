"""What bounds any model on a set of scenes: fires that no tube shows, and plumes that raised no alarm.

What lives here: counts of scenes by what is truly in them and by what their tubes show. What does not: scores, and the
measures made of them (`evaluate`).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from triage_assets.demo.scenes import SMOKE_KINDS
from triage_assets.demo.training.samples import SMOKE, UNCLEAR, Samples
from triage_assets.demo.training.splits import SplitPlan, choose_cases


@dataclass(frozen=True, slots=True)
class SceneLimits:
    """Numbers of scenes.

    ``smoke_without_its_tube``: alarms for smoke where no tube is of that smoke; ``smoke_without_tubes``: those of them
    without any tube, which score 0 whatever the weights. ``others_with_plume``: false alarms with a plume in the
    picture, detected or not; ``others_with_plume_tube``: those of them where a tube is of one.
    """

    smoke_without_its_tube: int
    smoke_without_tubes: int
    others_with_plume: int
    others_with_plume_tube: int


def count_limits(samples: Samples, plan: SplitPlan) -> SceneLimits:
    """The limits of a split that was sampled through one report."""
    n_scenes, is_smoke = len(samples.scene_names), samples.scene_is_smoke

    def has(tubes: NDArray[np.int32]) -> NDArray[np.bool_]:
        return np.bincount(tubes, minlength=n_scenes) > 0

    cases = (case for view in range(plan.n_views) for case in choose_cases(plan, view))
    return SceneLimits(
        smoke_without_its_tube=int((is_smoke & ~has(samples.scenes[samples.labels == SMOKE])).sum()),
        smoke_without_tubes=int((is_smoke & ~has(samples.scenes)).sum()),
        others_with_plume=sum(
            not case.is_smoke and any(thing.kind in SMOKE_KINDS for thing in case.scene.things) for case in cases
        ),
        others_with_plume_tube=int((~is_smoke & has(samples.scenes[samples.labels == UNCLEAR])).sum()),
    )
