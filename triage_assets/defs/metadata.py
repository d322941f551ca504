"""What assets show about themselves: tables and pictures for Dagster's metadata.

What lives here: the form of metadata values. What does not: the numbers, which come from the domain's reports.
"""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import dagster as dg
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

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
    figure, axes = _blank()
    columns = list(scores.values()) or [np.empty(0)]
    colours = [_COLOURS[number % len(_COLOURS)] for number in range(len(columns))]
    axes.hist(columns, bins=np.linspace(0, 1, 21).tolist(), color=colours, rwidth=0.92, label=list(scores) or None)
    if threshold is not None:
        axes.axvline(threshold, color="#D9581E", linewidth=2)
        axes.annotate(f" {threshold:g}", (threshold, 0.92), xycoords=("data", "axes fraction"), color="#D9581E")
    if len(scores) > 1:
        axes.legend(frameon=False, fontsize="small")
    axes.set(xlim=(0, 1), xlabel="triage score", ylabel="sequences")
    return _picture(figure, f"Histogram of {sum(map(len, scores.values()))} scores")


def size_chart(sizes: Sequence[tuple[int, int]]) -> dg.MetadataValue:
    """How many groups have how many members, from (members, groups) pairs, in classes that double in size.

    A group that everybody was taken out of is in none.
    """
    inhabited = [(members, groups) for members, groups in sizes if members]
    if not inhabited:
        return dg.MetadataValue.text("none")
    members, groups = np.array(inhabited, np.int64).T
    classes = np.ceil(np.log2(members)).astype(np.int64)
    counts = np.bincount(classes, weights=groups).astype(np.int64)
    names = [str(2**power) if power < 2 else f"{2 ** (power - 1) + 1}+" for power in range(len(counts))]
    figure, axes = _blank()
    bars = axes.bar(names, np.maximum(counts, 0.5), color=_COLOURS[0], bottom=0)
    axes.bar_label(bars, [f"{count:,}" if count else "" for count in counts.tolist()], fontsize="small")
    # Most groups are small and the few large ones matter: one scale has to show both.
    axes.set(xlabel="members of a group", ylabel="groups", yscale="log", ylim=(0.5, 3 * counts.max()))
    return _picture(figure, f"Sizes of {counts.sum()} groups")


def _blank() -> tuple["Figure", "Axes"]:
    # Imported here: a command that draws nothing should not wait for it.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.6), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _picture(figure: "Figure", what: str) -> dg.MarkdownMetadataValue:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return dg.MetadataValue.md(f"![{what}](data:image/png;base64,{encoded})")


def listing(texts: Sequence[str], *, most: int = 20) -> dg.MarkdownMetadataValue:
    """A short list as text; what does not fit is counted, never silently cut."""
    shown = [f"- `{text}`" for text in texts[:most]]
    rest = len(texts) - len(shown)
    return dg.MetadataValue.md("\n".join([*shown, *([f"- and {rest} more"] if rest else [])]) or "none")
