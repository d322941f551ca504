import hashlib
from functools import cache

import pytest

from triage_assets.scoring.engine import ScoringEngine
from triage_assets.scoring.frame_cuts import FrameOrder, cut_frame
from triage_assets.scoring.package import load_package
from triage_assets.scoring.records import Roi, RuntimeChoice, SequenceScore
from triage_assets.scoring.runtimes.choice import RUNTIMES, is_installed
from triage_assets.scoring.sequence_plan import SequencePlanner
from triage_assets.scoring.stages import StageClock

from .packages import edited_config, write_edited
from .reference import EXPECTED, FULL, MODEL, VARIANTS, differences, load_sequence


def result(score: SequenceScore) -> dict:
    return {
        "is_positive": score.is_positive,
        "trigger_frame_index": score.trigger_frame_index,
        "details": score.details.as_dict(),
        "max_probability": score.max_probability,
    }


def without_diagnostics(expected: dict) -> dict:
    return {key: value for key, value in expected.items() if key != "diagnostics"}


def test_the_whole_reference_set_is_compared():
    if not FULL.is_dir():
        pytest.skip("ONLY A SAMPLE OF THE REFERENCE DATA IS COMPARED: ../shared/golden/tiny is not there")
    assert (len(EXPECTED), len(VARIANTS)) == (38, 9)


@pytest.mark.parametrize("name", EXPECTED)
def test_scores_are_those_of_the_reference_pipeline(engine, name):
    score = engine.score_one(load_sequence(name))
    assert differences(result(score), without_diagnostics(EXPECTED[name])) == []


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_scores_are_those_of_the_reference_pipeline_on_every_runtime_and_in_one_call(package, runtime):
    if not is_installed(runtime):
        pytest.skip(f"NOT COMPARED WITH THE REFERENCE: {runtime} is not installed")
    with ScoringEngine(package, RuntimeChoice(runtime)) as engine:
        outcomes = list(engine.score([load_sequence(name) for name in EXPECTED]))
        assert engine.runtime == f"{runtime} cpu float32"
    for outcome, name in zip(outcomes, EXPECTED, strict=True):
        assert differences(result(outcome.score), without_diagnostics(EXPECTED[name])) == []


@pytest.fixture(scope="module")
def package():
    return load_package(MODEL)


@pytest.mark.parametrize("name", EXPECTED)
def test_patches_are_those_of_the_reference_pipeline_byte_for_byte(package, name):
    settings = package.settings
    plan = SequencePlanner(settings, package.classifier.max_frames).plan(load_sequence(name))
    expected = EXPECTED[name]["diagnostics"]["tubes"]
    assert len(plan.cuts) == len(expected)
    for cuts, tube in zip(plan.cuts, expected, strict=True):
        hashes, found = [], []
        for cut in cuts:
            if cut is not None:
                order = FrameOrder(plan.frames[cut.frame].image, (cut.window,))
                ((box, patch),) = cut_frame(order, settings.model_input, StageClock()).patches.items()
                hashes.append(hashlib.sha256(patch.tobytes()).hexdigest()[:16])
                found.append([box.x0, box.y0, box.x1, box.y1])
        assert hashes == tube["patch_uint8_sha256_16"]
        same_for_all = len(tube["crop_boxes_px"]) == 1
        assert found == (tube["crop_boxes_px"] * len(found) if same_for_all else tube["crop_boxes_px"])


@pytest.fixture(scope="module")
def engine_of_variant(tmp_path_factory):
    @cache
    def build(variant: str) -> ScoringEngine:
        changes = VARIANTS[variant]
        config = edited_config(MODEL, changes["config_overrides"], changes["config_keys_removed"])
        path = write_edited(MODEL, tmp_path_factory.mktemp(variant) / "model.zip", {"config.yaml": config})
        return ScoringEngine(load_package(path, allow_uncalibrated=True), RuntimeChoice("torch"))

    return build


@pytest.mark.parametrize(
    ("variant", "name"), [(variant, name) for variant, changes in VARIANTS.items() for name in changes["sequences"]]
)
def test_changed_configurations_change_scores_as_in_the_reference_pipeline(engine_of_variant, variant, name):
    arguments = dict(VARIANTS[variant]["predict_arguments"])
    roi = Roi(*arguments["roi"]) if "roi" in arguments else None
    score = engine_of_variant(variant).score_one(
        load_sequence(name), compute_trigger=arguments["compute_trigger"], roi=roi
    )
    assert differences(result(score), without_diagnostics(VARIANTS[variant]["sequences"][name])) == []
