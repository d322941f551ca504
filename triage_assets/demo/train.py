"""Builds the demo's model: `python -m triage_assets.demo.train` renders scenes, trains, calibrates, tests and packs.

What lives here: the command and the order of its steps. What does not: the steps themselves (`training`).
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
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
from triage_assets.demo.training.card import check_card, write_card
from triage_assets.demo.training.evaluate import TRIAGE_THRESHOLD, Metrics, area_under_curve, measure, operate
from triage_assets.demo.training.fit import Schedule, train_classifier, tube_logits
from triage_assets.demo.training.heldout import HeldOutSample, describe_cases, sample_cases, write_sample
from triage_assets.demo.training.limits import count_limits
from triage_assets.demo.training.package import parsed_config, write_package
from triage_assets.demo.training.record import SplitRecord, TrainingRecord
from triage_assets.demo.training.samples import Samples
from triage_assets.demo.training.splits import SplitPlan, plan_splits
from triage_assets.errors import TriageError
from triage_assets.scoring.identity import model_fingerprint

RECALL = 0.95
# Beside the triage threshold and the package's own.
_THRESHOLDS = (0.1, 0.2, 0.5, 0.65, 0.8, 0.9)
_ALL_VIEWS = 1.0
_EXAMPLES = 4
_DEFAULT = Schedule()
console = Console(stderr=True, highlight=False)


def train_model(
    out: Path,
    plans: Sequence[SplitPlan],
    *,
    seed: int = 0,
    cache: Path,
    workers: int = 2,
    schedule: Schedule,
    card: Path | None = None,
    heldout: Path | None = None,
) -> TrainingRecord:
    """Render, train, calibrate on validation, measure on test, and write the package and what tells of it.

    ``plans`` are the splits of `plan_splits`, in its order. Raises `TriageError` for a card that cannot be written,
    before anything else is done.
    """
    started = time.monotonic()
    if card is not None:
        check_card(card)
    config = parsed_config()
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
        split: tube_logits(classifier, samples, normalization, schedule.threads).double().numpy()
        for split, samples in (("validation", validation), ("test", test))
    }
    smoke_weight = choose_smoke_weight(validation, logits["validation"], TRIAGE_THRESHOLD)
    calibrator = fit_calibrator(validation, logits["validation"], smoke_weight)
    known = scene_scores(validation, logits["validation"], calibrator)
    threshold = threshold_for_recall(known, validation.scene_is_smoke, RECALL)
    features = tube_features(validation, logits["validation"])
    spread = np.argsort([one.logit for one in features])[np.linspace(0, len(features) - 1, _EXAMPLES).astype(int)]
    write_package(
        out,
        classifier.state_dict(),
        calibrator,
        [features[index] for index in spread],
        threshold,
        _provenance(seed, plans[:2], schedule),
    )
    scores = scene_scores(test, logits["test"], calibrator)
    record = TrainingRecord(
        model_sha256=model_fingerprint(out),
        seed=seed,
        epochs=schedule.epochs,
        threads=schedule.threads,
        splits=tuple(
            SplitRecord(plan.split, plan.seed, plan.n_views, plan.n_scenes, len(samples.slots))
            for plan, samples in zip(plans, (train, validation, test), strict=True)
        ),
        smoke_weight=smoke_weight,
        recall=RECALL,
        logistic_threshold=threshold,
        validation_auc=area_under_curve(known, validation.scene_is_smoke),
        limits=count_limits(test, plans[2]),
        test=_measure(test, scores, threshold),
    )
    if heldout is not None:
        of_scene = dict(zip(test.scene_names.tolist(), scores.tolist(), strict=True))
        _write_heldout(heldout, seed, plans[2], record.model_sha256, of_scene)
    if card is not None:
        write_card(card, record)
    minutes = (time.monotonic() - started) / 60
    console.print(
        f"{out}: AUC {record.test.auc:.4f} on {plans[2].n_scenes} held-out scenes, {minutes:.1f} minutes",
        soft_wrap=True,
    )
    return record


def _measure(samples: Samples, scores: np.ndarray, threshold: float) -> Metrics:
    return measure(
        scores,
        samples.scene_is_smoke,
        samples.scene_kinds.tolist(),
        samples.scene_frames.tolist(),
        (*_THRESHOLDS, threshold),
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


def _provenance(seed: int, plans: Sequence[SplitPlan], schedule: Schedule) -> dict[str, object]:
    """What made the model, and nothing that was learned about it afterwards: measuring must not change its identity."""
    return {
        "trained_by": "python -m triage_assets.demo.train",
        "seed": seed,
        "schedule": asdict(schedule),
        "scenes": {plan.split: {"seed": plan.seed, "views": plan.n_views, "scenes": plan.n_scenes} for plan in plans},
    }


def _progress(split: str) -> Callable[[int, int], None]:
    def show(done: int, total: int) -> None:
        if done == total or done % 10 == 0:
            console.print(f"{split}: {done} of {total} views rendered")

    return show


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m triage_assets.demo.train", description=__doc__)
    parser.add_argument("--out", type=Path, help="the package; the shipped one where nothing makes this a trial")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scale", type=float, default=_ALL_VIEWS, help="share of the views, for a quick trial")
    parser.add_argument("--epochs", type=int, default=_DEFAULT.epochs)
    parser.add_argument("--threads", type=int, default=_DEFAULT.threads, help="of torch; other numbers, other weights")
    parser.add_argument("--workers", type=int, default=2, help="processes that render")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path(tempfile.gettempdir()) / "triage-demo-training",
        help="where rendered samples are kept for the next training (2 GB)",
    )
    parser.add_argument(
        "--card", type=Path, help="model card whose generated part is written anew, with plot and metrics beside it"
    )
    parser.add_argument("--heldout", type=Path, help="folder for the sample of held-out scenes")
    given = parser.parse_args(arguments)
    try:
        train_model(
            _choose_out(given.out, given.scale, given.epochs),
            plan_splits(given.seed, given.scale),
            seed=given.seed,
            cache=given.cache,
            workers=given.workers,
            schedule=replace(_DEFAULT, epochs=given.epochs, threads=given.threads),
            card=given.card,
            heldout=given.heldout,
        )
    except TriageError as error:
        console.print(str(error), style="red", markup=False, soft_wrap=True)
        raise SystemExit(1) from None


def _choose_out(out: Path | None, scale: float, epochs: int) -> Path:
    """Raises `TriageError` for a trial that would replace the shipped model."""
    if out is None and (scale != _ALL_VIEWS or epochs != _DEFAULT.epochs):
        raise TriageError(
            "A trial would replace the shipped model",
            found=f"--scale {scale:g} --epochs {epochs} without --out",
            expected=f"--scale {_ALL_VIEWS:g} --epochs {_DEFAULT.epochs}, or another file",
            do="Name a file with --out.",
        )
    return out or DEMO_MODEL


if __name__ == "__main__":
    main()
