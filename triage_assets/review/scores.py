"""The triage score of each sequence in the review database, by which people sort groups.

What lives here: bringing scores up to date, writing only what is another one. What does not: the scores themselves,
which the worklists decide on and hold in full.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from sqlalchemy import Table, select

from triage_assets.review.aggregates import refresh_scores
from triage_assets.review.bulk import read_rows, update_rows
from triage_assets.review.database import ReviewDatabase, Write
from triage_assets.review.models import ReviewSequence

_MEMBERS = pa.schema([("id", pa.int64()), ("group_id", pa.int64())])
_SCHEMA = pa.schema([("id", pa.int64()), ("score", pa.float64())])


def record_scores(review: ReviewDatabase, sequence_ids: NDArray[np.int64], scores: NDArray[np.float64]) -> int:
    """Keep each sequence's score, NaN for none; the number of sequences whose score is another one now.

    ``sequence_ids`` are unique. Sequences that the review database does not know are left out, and those that are not
    named keep the score that they had. Where nothing is different nothing is written, and no revision is counted.
    Raises `ReviewUnavailable`.
    """
    with review.read() as connection:
        known = read_rows(connection, select(ReviewSequence.id, ReviewSequence.score), _SCHEMA)
    before = known.sort_by("id")
    known_ids, old = before["id"].to_numpy(), before["score"].to_numpy()
    order = np.argsort(sequence_ids)
    ids, new = sequence_ids[order], scores[order]
    is_known = np.isin(ids, known_ids)
    ids, new = ids[is_known], new[is_known]
    there = old[np.searchsorted(known_ids, ids)]
    is_other = ~((new == there) | (np.isnan(new) & np.isnan(there)))
    if not is_other.any():
        return 0
    with review.write() as write:
        _write_scores(write, ids[is_other], new[is_other])
    return int(is_other.sum())


def _write_scores(write: Write, ids: NDArray[np.int64], scores: NDArray[np.float64]) -> None:
    """Rows keep their revision: whoever asks for what is new wants decisions and memberships, not scores."""
    table = ReviewSequence.__table__
    assert isinstance(table, Table)
    update_rows(write.connection, table, pa.table({"id": pa.array(ids), "score": pa.array(scores, from_pandas=True)}))
    members = read_rows(write.connection, select(ReviewSequence.id, ReviewSequence.group_id), _MEMBERS)
    touched = members["group_id"].filter(pc.is_in(members["id"], value_set=pa.array(ids)))
    refresh_scores(write, pc.unique(touched.drop_null()).to_pylist())
