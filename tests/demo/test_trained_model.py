"""The shipped model scores held-out scenes as recorded, keeps what it promises, and learned from scenes of its own."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest

from triage_assets.demo import DEMO_MODEL
from triage_assets.demo.places import VIEWS
from triage_assets.demo.training.card import BEGIN, END, RECORD, generated_part
from triage_assets.demo.training.evaluate import TRIAGE_THRESHOLD, area_under_curve, operate
from triage_assets.demo.training.heldout import HeldOutSample, read_sample, sample_cases
from triage_assets.demo.training.record import TrainingRecord, read_record
from triage_assets.demo.training.samples import render_inputs
from triage_assets.demo.training.splits import SPLITS, Case, choose_cases, make_view, plan_splits
from triage_assets.scoring.engine import ScoringEngine
from triage_assets.scoring.identity import read_provenance
from triage_assets.scoring.loose import read_folder
from triage_assets.scoring.package import load_package
from triage_assets.scoring.records import SequenceInput

HELDOUT = Path(__file__).parent / "heldout"
DOCS = Path(__file__).parents[2] / "docs"
# Scores were recorded from whole batches; alone, or with another number of threads, sums round otherwise.
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def sample() -> HeldOutSample:
    return read_sample(HELDOUT)


@pytest.fixture(scope="module")
def record() -> TrainingRecord:
    return read_record(DOCS / RECORD)


@pytest.fixture(scope="module")
def cases(sample: HeldOutSample) -> dict[str, Case]:
    return {case.name: case for case in sample_cases(plan_splits(sample.seed)[2])}


@pytest.fixture
def engine() -> ScoringEngine:
    with ScoringEngine(load_package(DEMO_MODEL)) as running:
        yield running


def test_the_sample_was_recorded_with_the_shipped_model(sample: HeldOutSample) -> None:
    assert hashlib.sha256(DEMO_MODEL.read_bytes()).hexdigest() == sample.model_sha256


def test_rendered_held_out_scenes_score_as_recorded(
    engine: ScoringEngine, sample: HeldOutSample, cases: dict[str, Case]
) -> None:
    assert {scene.name for scene in sample.scenes} == set(cases)
    inputs = (SequenceInput(scene.name, tuple(render_inputs(cases[scene.name]))) for scene in sample.scenes)
    found = {}
    for outcome in engine.score(inputs, compute_trigger=False):
        assert outcome.score is not None, outcome.error
        found[outcome.name] = outcome.score.max_probability
    assert found == {scene.name: pytest.approx(scene.score, abs=TOLERANCE) for scene in sample.scenes}
    scores = np.array([found[scene.name] for scene in sample.scenes])
    is_smoke = np.array([cases[scene.name].is_smoke for scene in sample.scenes])
    row = operate(scores, is_smoke, TRIAGE_THRESHOLD)
    assert area_under_curve(scores, is_smoke) == pytest.approx(sample.auc, abs=TOLERANCE)
    assert row.smoke_to_review.value == sample.smoke_to_review
    assert row.others_to_unlabel.value == sample.others_to_unlabel


def test_shipped_pictures_score_as_recorded(engine: ScoringEngine, sample: HeldOutSample) -> None:
    shipped = [scene for scene in sample.scenes if scene.is_shipped]
    assert {path.name for path in HELDOUT.iterdir() if path.is_dir()} == {scene.name for scene in shipped}
    assert {scene.is_smoke for scene in shipped} == {True, False}
    for scene in shipped:
        score = engine.score_one(read_folder(HELDOUT / scene.name))
        assert score.max_probability == pytest.approx(scene.score, abs=TOLERANCE)


def test_the_model_is_small_and_says_what_it_knows() -> None:
    identity = load_package(DEMO_MODEL).identity
    assert DEMO_MODEL.stat().st_size <= 6_000_000
    assert identity.caution is not None
    assert "only the demo's rendered scenes" in identity.caution


def test_the_card_says_what_was_measured_of_the_shipped_model(record: TrainingRecord) -> None:
    assert hashlib.sha256(DEMO_MODEL.read_bytes()).hexdigest() == record.model_sha256
    card = (DOCS / "model-card.md").read_text(encoding="utf-8")
    assert card[card.index(BEGIN) : card.index(END) + len(END)] == generated_part(record)


def test_the_shipped_model_reaches_its_goals(record: TrainingRecord) -> None:
    assert record.test.triage_threshold == TRIAGE_THRESHOLD
    assert record.test.auc >= 0.98
    assert record.test.at_triage.smoke_to_review.value >= 0.98
    assert record.test.at_triage.others_to_unlabel.value >= 0.6


def test_the_package_says_what_made_it_and_nothing_of_how_it_was_tested() -> None:
    provenance = read_provenance(DEMO_MODEL)
    assert set(provenance) == {"backbone", "detector", "trained_by", "seed", "schedule", "scenes"}
    scenes = provenance["scenes"]
    assert isinstance(scenes, dict)
    assert set(scenes) == {"train", "validation"}


@pytest.mark.parametrize("seed", [0, 1])
def test_no_two_splits_and_no_backlog_share_a_view_or_a_seed(seed: int) -> None:
    plans = plan_splits(seed)
    views = {plan.split: {make_view(plan.split, n, plan.seed).name for n in range(plan.n_views)} for plan in plans}
    for one, other in itertools.combinations(SPLITS, 2):
        assert not views[one] & views[other]
    assert not set.union(*views.values()) & {view.name for view in VIEWS}
    seeds = {plan.seed for other in range(seed + 2) for plan in plan_splits(other)}
    assert len(seeds) == 3 * (seed + 2)
    assert min(seeds) > 1_000_000


def test_a_view_has_as_many_scenes_of_either_truth_as_planned() -> None:
    for plan in plan_splits(0):
        chosen = list(choose_cases(plan, 1))
        assert sum(case.is_smoke for case in chosen) == plan.n_smoke_per_view
        assert len(chosen) == plan.n_smoke_per_view + plan.n_other_per_view
