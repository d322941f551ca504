"""What assets show about themselves: tables and pictures for Dagster's metadata.

What lives here: the form of metadata values. What does not: the numbers, which come from the domain's reports.
"""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence

import dagster as dg
import numpy as np
from numpy.typing import NDArray

_COLOURS = ("#166A5D", "#6C8EBF", "#B58900", "#8E5572")
Scalar = str | int | float | bool | None


def table(rows: Iterable[Mapping[str, Scalar]]) -> dg.MetadataValue:
    """An inline table; a line of text where there is no row, which Dagster's table cannot show.

    The rows must be few: organizations, reasons. For what may be thousands there is `table_of_reasons`.
    """
    records = [dg.TableRecord(dict(row)) for row in rows]
    return dg.MetadataValue.table(records) if records else dg.MetadataValue.text("none")


def table_of_reasons(reasons: Mapping[int, str]) -> dg.MetadataValue:
    """How many sequences have each reason, with the first few ids: an event stays small however much went wrong."""
    ids: dict[str, list[int]] = {}
    for sequence_id, reason in reasons.items():
        ids.setdefault(reason, []).append(sequence_id)
    ordered = sorted(ids.items(), key=lambda item: -len(item[1]))
    shown: list[Mapping[str, Scalar]] = [
        {"sequences": len(which), "reason": reason, "for example": ", ".join(map(str, which[:5]))}
        for reason, which in ordered[:20]
    ]
    rest = sum(len(which) for _, which in ordered[20:])
    return table([*shown, {"sequences": rest, "reason": "other reasons", "for example": ""}] if rest else shown)


def score_histogram(
    scores: Mapping[str, NDArray[np.float64]], *, threshold: float | None = None
) -> dg.MarkdownMetadataValue:
    """Scores from 0 to 1 in twenty bars, side by side for several models; the threshold, where given, is a line."""
    # Imported here: a command that draws nothing should not wait for it.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.6), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    columns = list(scores.values()) or [np.empty(0)]
    colours = [_COLOURS[number % len(_COLOURS)] for number in range(len(columns))]
    axes.hist(columns, bins=np.linspace(0, 1, 21).tolist(), color=colours, rwidth=0.92, label=list(scores) or None)
    if threshold is not None:
        axes.axvline(threshold, color="#D9581E", linewidth=2)
        axes.annotate(f" {threshold:g}", (threshold, 0.92), xycoords=("data", "axes fraction"), color="#D9581E")
    if len(scores) > 1:
        axes.legend(frameon=False, fontsize="small")
    axes.set(xlim=(0, 1), xlabel="triage score", ylabel="sequences")
    axes.spines[["top", "right"]].set_visible(False)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    n_scores = sum(map(len, scores.values()))
    return dg.MetadataValue.md(f"![Histogram of {n_scores} scores](data:image/png;base64,{encoded})")


def listing(texts: Sequence[str], *, most: int = 20) -> dg.MarkdownMetadataValue:
    """A short list as text; what does not fit is counted, never silently cut."""
    shown = [f"- `{text}`" for text in texts[:most]]
    rest = len(texts) - len(shown)
    return dg.MetadataValue.md("\n".join([*shown, *([f"- and {rest} more"] if rest else [])]) or "none")
