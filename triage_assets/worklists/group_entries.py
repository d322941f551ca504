"""The backlog by group: what a person would click once, and the groups whose members models score far apart.

What lives here: tables of groups and of entries for people, made from the table of results. What does not: the split
itself (`build`), and the file that entries become (`export`).
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from triage_assets.worklists.records import FAR_APART, LABELED, REVIEW, UNLABELED

_ORDER = {"models_disagree": False, "triage_score": False, "sequence_id": True}
_OF_THE_BEST = ("sequence_id", "group_id", "organization_name", "camera_name", "azimuth", "triage_score")
_OF_THE_GROUP = ("smoke_type", "false_positive_type", "is_unsure", "is_validated", "member_count")
ENTRY_COLUMNS = (
    "group_id", "organization_name", "camera_name", "azimuth", "triage_score", "sequence_ids", "n_review",
    "n_unlabeled", "n_labeled", "n_dropped", "n_members", "smoke_type", "false_positive_type", "is_unsure",
    "is_validated", "models_disagree", "score_lowest", "score_highest", "is_conflicted",
)  # fmt: skip


def summarize_groups(results: pd.DataFrame, groups: pa.Table, threshold: float) -> pd.DataFrame:
    """One row per group with a sequence in the backlog, by group_id: its label, and where its sequences are.

    ``n_members`` counts also those that have left the backlog; scores and all other counts are of the backlog.
    A group is conflicted when its scores are `FAR_APART` and on both sides of the threshold: one thing, or so its boxes
    say, that is smoke at one time and none at another.
    """
    rows = results[results["group_id"].notna()]
    bucket = rows["triage_bucket"].fillna("dropped")
    counts = pd.DataFrame(
        {f"n_{name}": bucket == name for name in (REVIEW, UNLABELED, LABELED, "dropped")}, index=rows.index
    )
    by_group = rows["group_id"].to_numpy(np.int64)
    summary = counts.groupby(by_group).sum()
    scores = rows["triage_score"].astype(float).groupby(by_group)
    summary["score_lowest"], summary["score_highest"] = scores.min(), scores.max()
    lowest, highest = summary["score_lowest"], summary["score_highest"]
    summary["is_conflicted"] = (highest - lowest >= FAR_APART) & (highest >= threshold) & (lowest < threshold)
    known = groups.select(["group_id", *_OF_THE_GROUP]).to_pandas().set_index("group_id")
    return summary.join(known.rename(columns={"member_count": "n_members"}))


def list_entries(results: pd.DataFrame, summary: pd.DataFrame) -> pd.DataFrame:
    """The To Review rows as one entry per group and one per sequence without a group, in the order of review.json.

    An entry is where its best-scored sequence is, and lists its To Review sequences, best first; the group's others
    are counted.
    """
    review = results[results["triage_bucket"] == REVIEW]
    review = review.sort_values(["triage_score", "sequence_id"], ascending=[False, True], ignore_index=True)
    alone = -1 - review["sequence_id"]
    codes, _ = pd.factorize(review["group_id"].fillna(alone).to_numpy(np.int64))
    by_entry = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes))
    starts = np.concatenate([[0], ends[:-1]]).astype(int)[: len(ends)]
    ids = review["sequence_id"].to_numpy()[by_entry].tolist()

    entries = review.loc[by_entry[starts], list(_OF_THE_BEST)].reset_index(drop=True)
    disagreeing = np.bincount(codes, weights=review["models_disagree"])
    entries["models_disagree"] = disagreeing > 0
    sequence_ids = [ids[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
    entries["sequence_ids"] = pd.Series(sequence_ids, dtype=object)
    entries = entries.join(summary, on="group_id")
    by_itself = entries["group_id"].isna()
    for name in ("score_lowest", "score_highest"):
        entries[name] = entries[name].where(~by_itself, entries["triage_score"].astype(float))
    for name in ("n_review", "n_unlabeled", "n_labeled", "n_dropped", "n_members"):
        entries[name] = entries[name].fillna(int(name in ("n_review", "n_members"))).astype(int)
    for name in ("is_unsure", "is_validated", "is_conflicted"):
        entries[name] = entries[name].astype("boolean").fillna(False).astype(bool)
    ordered: pd.DataFrame = entries.sort_values(list(_ORDER), ascending=list(_ORDER.values()), ignore_index=True)
    return ordered


def list_conflicts(
    results: pd.DataFrame, summary: pd.DataFrame, most: int
) -> Iterator[Mapping[str, str | int | float]]:
    """The conflicted groups whose scores are furthest apart, with their highest and their lowest sequence."""
    apart = summary[summary["is_conflicted"]]
    spread = (apart["score_highest"] - apart["score_lowest"]).sort_values(ascending=False, kind="stable").head(most)
    rows = results[results["group_id"].isin(spread.index) & results["triage_score"].notna()]
    for group_id, group in apart.loc[spread.index].iterrows():
        theirs = rows[rows["group_id"] == group_id].sort_values("triage_score", ascending=False, kind="stable")
        label = group["smoke_type"] if pd.notna(group["smoke_type"]) else group["false_positive_type"]
        yield {
            "group": int(str(group_id)),
            "camera": str(theirs["camera_name"].iloc[0]),
            "sequences": len(theirs),
            "lowest": round(float(group["score_lowest"]), 3),
            "highest": round(float(group["score_highest"]), 3),
            "lowest sequence": int(theirs["sequence_id"].iloc[-1]),
            "highest sequence": int(theirs["sequence_id"].iloc[0]),
            "label": str(label) if pd.notna(label) else "none",
        }
