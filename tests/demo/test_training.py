"""The steps of training measure, choose and keep what they say, and refuse what would spoil a model or its card."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from triage_assets.demo import DEMO_MODEL
from triage_assets.demo.scenes import SMOKE_KINDS
from triage_assets.demo.train import main, train_model
from triage_assets.demo.training.cache import SOURCES
from triage_assets.demo.training.calibrate import threshold_for_recall
from triage_assets.demo.training.card import BEGIN, END, PLOT, RECORD, generated_part
from triage_assets.demo.training.evaluate import Share, area_under_curve, length_group, measure, operate
from triage_assets.demo.training.fit import Schedule
from triage_assets.demo.training.heldout import read_sample, sample_cases
from triage_assets.demo.training.limits import SceneLimits, count_limits
from triage_assets.demo.training.record import read_record
from triage_assets.demo.training.samples import OTHER, SMOKE, UNCLEAR, Samples
from triage_assets.demo.training.splits import choose_cases, plan_splits
from triage_assets.errors import TriageError


@pytest.mark.parametrize(
    ("smoke", "others", "expected"),
    [
        ([0.9, 0.8], [0.1, 0.2], 1.0),
        ([0.1], [0.2, 0.3], 0.0),
        ([0.5, 0.5], [0.5, 0.5, 0.5], 0.5),  # a tie is half a win
        ([0.5, 0.9], [0.5, 0.1], 0.875),  # three wins and one tie of four pairs
        ([0.0], [0.0, 0.4], 0.25),  # scenes without tubes tie at 0
    ],
)
def test_the_area_under_the_curve_counts_a_tie_as_half(
    smoke: list[float], others: list[float], expected: float
) -> None:
    assert area_under_curve(*_scored(smoke, others)) == expected


@pytest.mark.parametrize(("smoke", "others"), [([], [0.5]), ([0.5], []), ([], [])])
def test_without_smoke_or_without_false_alarms_nothing_is_measured(smoke: list[float], others: list[float]) -> None:
    scores, is_smoke = _scored(smoke, others)
    with pytest.raises(TriageError, match="nothing to tell apart"):
        area_under_curve(scores, is_smoke)
    with pytest.raises(TriageError, match="nothing to tell apart"):
        measure(scores, is_smoke, ["light"] * len(scores), [1] * len(scores), [0.5])


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (393, 400, 0.9643, 0.9915),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (5, 10, 0.2366, 0.7634),
        (0, 0, 0.0, 1.0),  # nothing is known
    ],
)
def test_shares_have_wilsons_interval(count: int, total: int, low: float, high: float) -> None:
    share = Share(count, total)
    assert (share.low, share.high) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
    assert share.value == count / total if total else math.isnan(share.value)


@pytest.mark.parametrize(
    ("smoke", "others", "to_review", "to_unlabel"),
    [
        ([0.5, 0.4], [0.5, 0.4], Share(1, 2), Share(1, 2)),  # a score at the threshold goes To Review
        ([], [0.1], Share(0, 0), Share(1, 1)),
        ([0.9], [], Share(1, 1), Share(0, 0)),
    ],
)
def test_a_threshold_sends_scores_at_or_above_it_to_review(
    smoke: list[float], others: list[float], to_review: Share, to_unlabel: Share
) -> None:
    row = operate(*_scored(smoke, others), threshold=0.5)
    assert (row.smoke_to_review, row.others_to_unlabel) == (to_review, to_unlabel)


@pytest.mark.parametrize(
    ("smoke", "recall", "expected"),
    [
        ([0.2, 0.4, 0.6, 0.8], 0.5, 0.6),
        ([0.2, 0.4, 0.6, 0.8], 0.51, 0.4),  # at least so much
        ([0.2, 0.4, 0.6, 0.8], 1.0, 0.2),
        ([0.2, 0.7, 0.7, 0.7], 0.3, 0.7),  # ties come together
        ([0.12345], 0.95, 0.1234),  # rounded down, so that the score itself lies above
    ],
)
def test_the_threshold_for_a_recall_is_the_highest_that_reaches_it(
    smoke: list[float], recall: float, expected: float
) -> None:
    scores, is_smoke = _scored(smoke, [0.99, 0.01])
    threshold = threshold_for_recall(scores, is_smoke, recall)
    assert threshold == expected
    assert operate(scores, is_smoke, threshold).smoke_to_review.value >= recall


def test_no_threshold_recalls_smoke_that_is_not_there() -> None:
    with pytest.raises(TriageError, match="no smoke to recall; found 1 scenes"):
        threshold_for_recall(*_scored([], [0.5]), recall=0.95)


@pytest.mark.parametrize(
    ("n_frames", "group"),
    [
        (1, "01 frame"),
        (2, "02-03 frames"),
        (3, "02-03 frames"),
        (4, "04-08 frames"),
        (8, "04-08 frames"),
        (9, "09-19 frames"),
        (19, "09-19 frames"),
        (20, "20 frames or more"),
        (30, "20 frames or more"),
    ],
)
def test_lengths_fall_into_groups(n_frames: int, group: str) -> None:
    assert length_group(n_frames) == group


def test_a_plume_in_the_picture_is_not_yet_a_tube_of_one() -> None:
    plan = replace(plan_splits(0)[2], n_views=20, n_smoke_per_view=2, n_other_per_view=3)
    cases = [case for view in range(plan.n_views) for case in choose_cases(plan, view)]
    chimneys = [
        row
        for row, case in enumerate(cases)
        if not case.is_smoke and any(thing.kind in SMOKE_KINDS for thing in case.scene.things)
    ]
    fires = [row for row, case in enumerate(cases) if case.is_smoke]
    assert len(chimneys) > 2
    # Of the fires, one has no tube, one only another thing's, one only another plume's, the rest their own; of the
    # false alarms beside chimneys, one has two tubes of a chimney.
    tubes = [(fires[1], OTHER), (fires[2], UNCLEAR), *((row, SMOKE) for row in fires[3:])]
    tubes += [(fires[3], OTHER), (chimneys[0], UNCLEAR), (chimneys[0], UNCLEAR), (chimneys[1], OTHER)]
    samples = Samples(
        patches=np.zeros((0, 1, 1, 3), np.uint8),
        slots=np.full((len(tubes), 1), -1, np.int32),
        confidences=np.full((len(tubes), 1), np.nan),
        labels=np.array([label for _, label in tubes], np.int8),
        kinds=np.array(["any"] * len(tubes)),
        scenes=np.array([row for row, _ in tubes], np.int32),
        scene_names=np.array([case.name for case in cases]),
        scene_kinds=np.array([case.scene.subject.kind for case in cases]),
        scene_frames=np.array([case.n_frames for case in cases], np.int16),
    )
    assert count_limits(samples, plan) == SceneLimits(3, 1, len(chimneys), 1)


def test_kept_samples_depend_on_every_module_behind_them() -> None:
    listed = "import sys, triage_assets.demo.training.samples; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", listed], capture_output=True, text=True, check=True).stdout.split()
    modules = {name.removeprefix("triage_assets.") for name in loaded if name.startswith("triage_assets.")}
    packages = {"annotator", "demo", "demo.training", "scoring"}
    # Values of the configuration are part of the fingerprint themselves; organizations and errors show on no picture.
    without_influence = {"scoring.config", "annotator.records", "errors"}
    assert modules - packages - without_influence == set(SOURCES)


def test_the_sample_takes_a_long_scene_only_for_want_of_a_short_one() -> None:
    plan = plan_splits(0)[2]
    sample = list(sample_cases(plan))
    assert sum(case.is_smoke for case in sample) * 2 == len(sample)
    names = {case.name for case in sample}
    for view in range(plan.n_views):
        for truth in (True, False):
            cases = [case for case in choose_cases(plan, view) if case.is_smoke is truth]
            long_taken = [case for case in cases if case.name in names and case.n_frames > 10]
            short_left = [case for case in cases if case.name not in names and case.n_frames <= 10]
            assert not (long_taken and short_left)


@pytest.mark.parametrize("trial", [["--epochs", "1"], ["--scale", "0.1"]])
def test_a_trial_does_not_replace_the_shipped_model(trial: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    shipped = DEMO_MODEL.read_bytes()
    with pytest.raises(SystemExit) as ended:
        main(trial)
    assert ended.value.code == 1
    message = capsys.readouterr().err
    assert "A trial would replace the shipped model" in message
    assert "Name a file with --out." in message
    assert DEMO_MODEL.read_bytes() == shipped


@pytest.mark.parametrize(
    ("content", "expected"), [(None, "cannot be read"), (f"{BEGIN}\nno end", "has no generated part"), ("", END)]
)
def test_a_card_that_cannot_be_written_is_refused_before_anything_is_rendered(
    tmp_path: Path, content: str | None, expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    card = tmp_path / "card.md"
    if content is not None:
        card.write_text(content, encoding="utf-8")
    cache, out = tmp_path / "cache", tmp_path / "model.zip"
    with pytest.raises(SystemExit) as ended:
        main(["--scale", "0.01", "--out", str(out), "--cache", str(cache), "--card", str(card)])
    assert ended.value.code == 1
    assert expected in capsys.readouterr().err
    assert not cache.exists()
    assert not out.exists()


def test_the_same_seed_gives_the_same_package_card_and_sample(tmp_path: Path) -> None:
    plans = [replace(plan, n_smoke_per_view=2, n_other_per_view=2) for plan in plan_splits(0, 0.01)]
    written = []
    for name in ("one", "two"):
        out, card = tmp_path / name / "model.zip", tmp_path / name / "card.md"
        earlier = tmp_path / name / "heldout" / "test-0" / "frames"
        earlier.mkdir(parents=True)
        card.write_text(f"By hand.\n{BEGIN}\n{END}\nBy hand as well.\n", encoding="utf-8")
        # Rendered by the first alone: reading kept samples back must change nothing.
        record = train_model(
            out,
            plans,
            cache=tmp_path / "cache",
            workers=2,
            schedule=Schedule(epochs=1),
            card=card,
            heldout=earlier.parents[1],
        )
        files = sorted(path for path in (tmp_path / name).rglob("*") if path.is_file())
        written.append({str(path.relative_to(tmp_path / name)): path.read_bytes() for path in files})
    assert written[0] == written[1]
    assert {"model.zip", "card.md", PLOT, RECORD, "heldout/sample.json"} <= written[0].keys()
    assert read_record(card.with_name(RECORD)) == record
    assert card.read_text(encoding="utf-8") == f"By hand.\n{generated_part(record)}\nBy hand as well.\n"
    sample = read_sample(tmp_path / "one" / "heldout")
    assert sample.model_sha256 == record.model_sha256
    assert [scene.name for scene in sample.scenes] == [case.name for case in sample_cases(plans[2])]
    folders = {path.name for path in (tmp_path / "one" / "heldout").iterdir() if path.is_dir()}
    assert folders == {scene.name for scene in sample.scenes if scene.is_shipped}


def _scored(smoke: list[float], others: list[float]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([*smoke, *others], float), np.arange(len(smoke) + len(others)) < len(smoke)
