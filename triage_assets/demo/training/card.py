"""What people read of a trained model's measures: the generated part of the model card, and its reliability plot.

What lives here: Markdown and a picture made from measures. What does not: the measures (`evaluate`), and the card's own
words, which are written by hand around the generated part.
"""

from collections.abc import Sequence
from pathlib import Path

from triage_assets.demo.training.evaluate import GroupRow, Metrics, OperatingRow, Share
from triage_assets.errors import TriageError

BEGIN = "<!-- measured: written by `python -m triage_assets.demo.train --card`, not by hand -->"
END = "<!-- end of what is measured -->"
PLOT = "model-reliability.svg"


def write_card(path: Path, metrics: Metrics, facts: Sequence[str]) -> None:
    """Replace the generated part of the card, and draw the plot beside it. ``facts`` are lines of what was done.

    Raises `TriageError` for a card without the two marks.
    """
    text = path.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise TriageError(f"{path} has no generated part", expected=f"{BEGIN} ... {END}", do="Restore both lines.")
    path.write_text("\n".join([f"{before}{BEGIN}", "", *_lines(metrics, facts), "", f"{END}{after}"]), encoding="utf-8")
    draw_reliability(path.with_name(PLOT), metrics)


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


def _lines(metrics: Metrics, facts: Sequence[str]) -> list[str]:
    return [
        *(f"- {fact}" for fact in facts),
        "",
        f"Held-out test scenes: {metrics.n_smoke} with smoke as their subject, {metrics.n_others} false alarms.",
        "Intervals are 95%.",
        "",
        "| measure | value | interval |",
        "|---|---|---|",
        f"| AUC of sequences | {metrics.auc:.4f} | {metrics.auc_low:.4f} to {metrics.auc_high:.4f} |",
        f"| smoke that goes To Review at {metrics.at_triage.threshold} | {_of(metrics.at_triage.smoke_to_review)} |",
        f"| false alarms that go to Unlabel at {metrics.at_triage.threshold} "
        f"| {_of(metrics.at_triage.others_to_unlabel)} |",
        "",
        "| threshold | smoke To Review | false alarms to Unlabel |",
        "|---|---|---|",
        *(_operating_line(row) for row in metrics.operating),
        "",
        *_group_lines("subject", metrics.by_kind),
        "",
        *_group_lines("frames recorded", metrics.by_length),
        "",
        f"![Reliability on held-out scenes]({PLOT})",
    ]


def _operating_line(row: OperatingRow) -> str:
    return f"| {row.threshold:g} | {row.smoke_to_review.value:.1%} | {row.others_to_unlabel.value:.1%} |"


def _group_lines(what: str, rows: Sequence[GroupRow]) -> list[str]:
    lines = [f"| {what} | truth | sequences | median score | To Review at 0.35 |", "|---|---|---|---|---|"]
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
