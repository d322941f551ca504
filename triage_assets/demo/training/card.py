"""What people read of a trained model's measures: the generated part of the model card, and its reliability plot.

What lives here: Markdown and a picture made from the record of a training, and writing them with it. What does not: the
measures (`evaluate`), and the card's own words, which are written by hand around the generated part.
"""

from collections.abc import Sequence
from pathlib import Path

from triage_assets.demo.training.evaluate import GroupRow, Metrics, OperatingRow, Share
from triage_assets.demo.training.record import TrainingRecord, write_record
from triage_assets.errors import TriageError

BEGIN = "<!-- measured: written by `python -m triage_assets.demo.train --card`, not by hand -->"
END = "<!-- end of what is measured -->"
PLOT = "model-reliability.svg"
RECORD = "model-metrics.json"


def check_card(path: Path) -> None:
    """Raises `TriageError` for a card that cannot be read, or that has not both marks around its generated part."""
    _split_card(path)


def write_card(path: Path, record: TrainingRecord) -> None:
    """Replace the generated part of the card, and write the plot and the record beside it.

    Raises `TriageError` as `check_card` does.
    """
    before, after = _split_card(path)
    path.write_text(f"{before}{generated_part(record)}{after}", encoding="utf-8")
    draw_reliability(path.with_name(PLOT), record.test)
    write_record(path.with_name(RECORD), record)


def generated_part(record: TrainingRecord) -> str:
    """What stands between the marks, and the marks themselves."""
    return "\n".join([BEGIN, "", *_lines(record), "", END])


def _split_card(path: Path) -> tuple[str, str]:
    """What stands before the generated part, and after it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TriageError(
            f"The model card {path} cannot be read", found=str(error), do="Name the card that is to be written anew."
        ) from None
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise TriageError(f"{path} has no generated part", expected=f"{BEGIN} ... {END}", do="Restore both lines.")
    return before, after


def draw_reliability(path: Path, metrics: Metrics) -> None:
    """How many of the scenes with about one score are smoke, against that score."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    bins = metrics.reliability
    scores = [one.mean_score for one in bins]
    shares = [one.smoke.value for one in bins]
    below = [one.smoke.value - one.smoke.low for one in bins]
    above = [one.smoke.high - one.smoke.value for one in bins]
    # Without a salt and with a date, the file would be another one every time.
    with mpl.rc_context({"svg.hashsalt": PLOT}):
        figure = Figure(figsize=(5, 4.4), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color="0.7", linewidth=1)
        axes.errorbar(scores, shares, [below, above], marker="o", capsize=3, color="C0")
        for one, score, share in zip(bins, scores, shares, strict=True):
            axes.annotate(f"n={one.smoke.total}", (score, share), (5, -11), textcoords="offset points", fontsize=7)
        axes.set(
            xlabel="score",
            ylabel="share that is smoke",
            title="Held-out scenes",
            xlim=(-0.02, 1.08),
            ylim=(-0.05, 1.05),
        )
        figure.savefig(path, format="svg", metadata={"Date": None})


def _lines(record: TrainingRecord) -> list[str]:
    metrics, at_triage = record.test, record.test.at_triage
    threshold = f"{metrics.triage_threshold:g}"
    return [
        *(f"- {fact}" for fact in _facts(record)),
        "",
        f"Held-out test scenes: {at_triage.smoke_to_review.total} with smoke as their subject, "
        f"{at_triage.others_to_unlabel.total} false alarms.",
        "Intervals are 95%.",
        "",
        "| measure | value | interval |",
        "|---|---|---|",
        f"| AUC of sequences | {metrics.auc:.4f} | {metrics.auc_low:.4f} to {metrics.auc_high:.4f} |",
        f"| smoke that goes To Review at {threshold} | {_of(at_triage.smoke_to_review)} |",
        f"| false alarms that go to Unlabel at {threshold} | {_of(at_triage.others_to_unlabel)} |",
        "",
        "| threshold | smoke To Review | false alarms to Unlabel |",
        "|---|---|---|",
        *(_operating_line(row) for row in metrics.operating),
        "",
        *_group_lines("subject", metrics.by_kind, threshold),
        "",
        *_group_lines("frames recorded", metrics.by_length, threshold),
        "",
        *_limit_lines(record),
        "",
        f"![Reliability on held-out scenes]({PLOT})",
    ]


def _facts(record: TrainingRecord) -> list[str]:
    sets = "; ".join(
        f"{one.split} {one.n_scenes} scenes of {one.n_views} views (seed {one.seed}, {one.n_tubes} tubes)"
        for one in record.splits
    )
    return [
        f"Training seed {record.seed}: {sets}.",
        f"{record.epochs} epochs on {record.threads} thread{'s' if record.threads > 1 else ''}.",
        f"Calibrator fitted with smoke counted {record.smoke_weight:g} times.",
        f"Decision threshold {record.logistic_threshold:.4f}: {record.recall:.0%} recall on validation, where the AUC "
        f"is {record.validation_auc:.4f}.",
        f"Package SHA-256 `{record.model_sha256}`.",
    ]


def _limit_lines(record: TrainingRecord) -> list[str]:
    limits, at_triage = record.limits, record.test.at_triage
    n_smoke, n_others = at_triage.smoke_to_review.total, at_triage.others_to_unlabel.total
    return [
        "| what the test scenes hold | scenes |",
        "|---|---|",
        f"| smoke, and no tube is of the plume that raised the alarm | {limits.smoke_without_its_tube} of {n_smoke} |",
        f"| of those: no tube at all, so the score is 0 whatever the weights | {limits.smoke_without_tubes} |",
        f"| false alarm, with another plume somewhere in the picture | {limits.others_with_plume} of {n_others} |",
        f"| of those: a tube is of such a plume | {limits.others_with_plume_tube} |",
    ]


def _operating_line(row: OperatingRow) -> str:
    return f"| {row.threshold:g} | {row.smoke_to_review.value:.1%} | {row.others_to_unlabel.value:.1%} |"


def _group_lines(what: str, rows: Sequence[GroupRow], threshold: str) -> list[str]:
    lines = [f"| {what} | truth | sequences | median score | To Review at {threshold} |", "|---|---|---|---|---|"]
    for row in rows:
        truth = "smoke" if row.is_smoke else "false alarm"
        review = row.to_review
        lines.append(
            f"| {row.group.replace('_', ' ')} | {truth} | {review.total} | {row.median_score:.3f} "
            f"| {review.count} ({review.value:.1%}) |"
        )
    return lines


def _of(share: Share) -> str:
    return f"{share.value:.1%} ({share.count} of {share.total}) | {share.low:.1%} to {share.high:.1%}"
