"""Counts of the split for people: per organization, and where models disagree.

What lives here: small summaries of the table of results. What does not: the split itself (`build`).
"""

from collections.abc import Iterator, Mapping

import pandas as pd

from triage_assets.worklists.records import LABELED, REVIEW, UNLABELED

_EXAMPLES = 5


def count_by_organization(results: pd.DataFrame) -> Iterator[Mapping[str, str | int]]:
    """One row per organization: how many sequences are in each list; most To Review first."""
    bucket = results["triage_bucket"].fillna("dropped").rename("bucket")
    counts = pd.crosstab(results["organization_name"], bucket).reindex(
        columns=[REVIEW, UNLABELED, LABELED, "dropped"], fill_value=0
    )
    for name, row in counts.sort_values([REVIEW, UNLABELED], ascending=False, kind="stable").iterrows():
        yield {
            "organization": str(name),
            "sequences": int(row.sum()),
            "review": int(row[REVIEW]),
            "unlabeled": int(row[UNLABELED]),
            "labeled": int(row[LABELED]),
            "dropped": int(row["dropped"]),
        }


def count_disagreements(results: pd.DataFrame) -> Iterator[Mapping[str, str | int]]:
    """One row per organization where, of a sequence To Review, some model says so and another does not; most first."""
    apart = results[results["models_disagree"] & (results["triage_bucket"] == REVIEW)]
    counts = apart["organization_name"].value_counts()
    for name, count in counts.sort_index().sort_values(ascending=False, kind="stable").items():
        theirs = apart[apart["organization_name"] == name].sort_values("triage_score", ascending=False, kind="stable")
        yield {
            "organization": str(name),
            "sequences": int(count),
            "for example": ", ".join(map(str, theirs["sequence_id"].head(_EXAMPLES))),
        }
