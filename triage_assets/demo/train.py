"""Builds the demo's model: `python -m triage_assets.demo.train` renders scenes, trains, calibrates, tests and packs.

What lives here: the command and the order of its steps. What does not: the steps themselves (`training`).
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console

from triage_assets.demo import DEMO_MODEL
from triage_assets.demo.training.cache import collect_samples
from triage_assets.demo.training.calibrate import (
    choose_smoke_weight,
    fit_calibrator,
    scene_scores,
    threshold_for_recall,
    tube_features,
)
from triage_assets.demo.training.card import write_card
from triage_assets.demo.training.evaluate import TRIAGE_THRESHOLD, Metrics, area_under_curve, measure, operate
from triage_assets.demo.training.fit import Schedule, train_classifier, tube_logits
from triage_assets.demo.training.heldout import HeldOutSample, describe_cases, sample_cases, write_sample
from triage_assets.demo.training.package import parsed_config, write_package
from triage_assets.demo.training.samples import Samples
from triage_assets.demo.training.splits import SplitPlan, plan_splits
from triage_assets.scoring.identity import model_fingerprint

RECALL = 0.95
_THRESHOLDS = (0.1, 0.2, TRIAGE_THRESHOLD, 0.5, 0.65, 0.8, 0.9)
_EXAMPLES = 4
_DEFAULT = Schedule()
console = Console(stderr=True, highlight=False)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training gives besides its files."""

    sha256: str
    logistic_threshold: float
    smoke_weight: float
    validation: Metrics
    test: Metrics


def train_model(
    out: Path,
    *,
    seed: int = 0,
    scale: float = 1.0,
    cache: Path,
    workers: int = 2,
    schedule: Schedule,
    card: Path | None = None,
    heldout: Path | None = None,
) -> Trained:
    """Render, train, calibrate on validation, measure on test, and write the package with its metrics beside it."""
    started = time.monotonic()
    config = parsed_config()
    plans = plan_splits(seed, scale)
    train = collect_samples(plans[0], config, cache, workers, _progress(plans[0].split))
    console.print(f"{len(train.slots)} training tubes with {len(train.patches)} patches", style="dim")
    normalization = config.model_input.normalization
    classifier = train_classifier(
        train,
        normalization,
        schedule,
        seed,
        lambda epoch, loss: console.print(f"epoch {epoch + 1} of {schedule.epochs}: loss {loss:.4f}"),
    )
    validation, test = (collect_samples(plan, config, cache, workers, _progress(plan.split)) for plan in plans[1:])
    logits = {
        split: tube_logits(classifier, samples, normalization).double().numpy()
        for split, samples in (("validation", validation), ("test", test))
    }
    smoke_weight = choose_smoke_weight(validation, logits["validation"], TRIAGE_THRESHOLD)
    calibrator = fit_calibrator(validation, logits["validation"], smoke_weight)
    known = scene_scores(validation, logits["validation"], calibrator)
    threshold = threshold_for_recall(known, validation.scene_is_smoke, RECALL)
    scores = scene_scores(test, logits["test"], calibrator)
    thresholds = sorted({*_THRESHOLDS, threshold})
    measured = [_measure(samples, of, thresholds) for samples, of in ((validation, known), (test, scores))]
    features = tube_features(validation, logits["validation"])
    spread = np.argsort([one.logit for one in features])[np.linspace(0, len(features) - 1, _EXAMPLES).astype(int)]
    write_package(
        out,
        classifier.state_dict(),
        calibrator,
        [features[index] for index in spread],
        threshold,
        _provenance(seed, plans, schedule, measured[1]),
    )
    trained = Trained(model_fingerprint(out), threshold, smoke_weight, measured[0], measured[1])
    minutes = (time.monotonic() - started) / 60
    out.with_name(f"{out.stem}-metrics.json").write_text(
        json.dumps({"plans": [asdict(plan) for plan in plans], **asdict(trained)}, indent=1) + "\n", encoding="utf-8"
    )
    if heldout is not None:
        _write_heldout(
            heldout, seed, plans[2], trained.sha256, dict(zip(test.scene_names.tolist(), scores.tolist(), strict=True))
        )
    if card is not None:
        write_card(card, trained.test, _facts(seed, plans, schedule, trained, (train, validation, test)))
    console.print(f"{out}: AUC {trained.test.auc:.4f} on {plans[2].n_scenes} held-out scenes, {minutes:.1f} minutes")
    return trained


def _measure(samples: Samples, scores: np.ndarray, thresholds: Sequence[float]) -> Metrics:
    return measure(
        scores, samples.scene_is_smoke, samples.scene_kinds.tolist(), samples.scene_frames.tolist(), thresholds
    )


def _write_heldout(folder: Path, seed: int, plan: SplitPlan, sha256: str, scores: dict[str, float]) -> None:
    cases = list(sample_cases(plan))
    of_sample = np.array([scores[case.name] for case in cases])
    is_smoke = np.array([case.is_smoke for case in cases])
    row = operate(of_sample, is_smoke, TRIAGE_THRESHOLD)
    sample = HeldOutSample(
        seed=seed,
        model_sha256=sha256,
        auc=area_under_curve(of_sample, is_smoke),
        smoke_to_review=row.smoke_to_review.value,
        others_to_unlabel=row.others_to_unlabel.value,
        scenes=describe_cases(cases, scores),
    )
    write_sample(folder, sample, cases)


def _provenance(seed: int, plans: Sequence[SplitPlan], schedule: Schedule, test: Metrics) -> dict[str, object]:
    return {
        "trained_by": "python -m triage_assets.demo.train",
        "seed": seed,
        "schedule": asdict(schedule),
        "scenes": {plan.split: {"seed": plan.seed, "views": plan.n_views, "scenes": plan.n_scenes} for plan in plans},
        "held_out": {
            "auc": round(test.auc, 4),
            "smoke_to_review_at_0.35": round(test.at_triage.smoke_to_review.value, 4),
            "false_alarms_to_unlabel_at_0.35": round(test.at_triage.others_to_unlabel.value, 4),
        },
    }


def _facts(
    seed: int, plans: Sequence[SplitPlan], schedule: Schedule, trained: Trained, splits: Sequence[Samples]
) -> list[str]:
    sets = "; ".join(
        f"{plan.split} {plan.n_scenes} scenes of {plan.n_views} views (seed {plan.seed}, {len(samples.slots)} tubes)"
        for plan, samples in zip(plans, splits, strict=True)
    )
    return [
        f"Training seed {seed}: {sets}.",
        f"{schedule.epochs} epochs on {schedule.threads} thread.",
        f"Calibrator fitted with smoke counted {trained.smoke_weight:g} times.",
        f"Decision threshold {trained.logistic_threshold:.4f}: {RECALL:.0%} recall on validation, where the AUC is "
        f"{trained.validation.auc:.4f}.",
        f"Package SHA-256 `{trained.sha256}`.",
    ]


def _progress(split: str) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        if done == total or done % 10 == 0:
            console.print(f"{split}: {done} of {total} views rendered")

    return show


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m triage_assets.demo.train", description=__doc__)
    parser.add_argument("--out", type=Path, default=DEMO_MODEL, help="the package; its metrics go beside it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the views, for a quick trial")
    parser.add_argument("--epochs", type=int, default=_DEFAULT.epochs)
    parser.add_argument("--threads", type=int, default=_DEFAULT.threads, help="of torch; other numbers, other weights")
    parser.add_argument("--workers", type=int, default=2, help="processes that render")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "triage-demo-training",
        help="where rendered samples are kept for the next training (2 GB)",
    )
    parser.add_argument("--card", type=Path, help="model card whose generated part is written anew")
    parser.add_argument("--heldout", type=Path, help="folder for the sample of held-out scenes")
    given = parser.parse_args(arguments)
    train_model(
        given.out,
        seed=given.seed,
        scale=given.scale,
        cache=given.cache,
        workers=given.workers,
        schedule=replace(_DEFAULT, epochs=given.epochs, threads=given.threads),
        card=given.card,
        heldout=given.heldout,
    )


if __name__ == "__main__":
    main()
