"""The flat table of the present backlog with one model's scores: `current.arrow`, made anew by every run.

What lives here: its schema, and how plans and known scores become its rows. What does not: the files that scores are
kept in for good (`parts`), of which it is a view.
"""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from triage_assets.scoring.files.parts import PartsFolder, read_ipc, stamp, to_ipc
from triage_assets.scoring.files.tables import KEY_PREFIX, SCORE_FIELDS
from triage_assets.scoring.identity import ModelIdentity
from triage_assets.scoring.records import INCOMPLETE

CURRENT = "current.arrow"
FORMAT_VERSION = 3
# ``last_seen_at`` and ``n_detections`` are those of the snapshot when the row was laid out: where the backlog says
# otherwise by now, the score is of a sequence that has gone on since.
CURRENT_SCHEMA = pa.schema(
    [
        ("sequence_id", pa.int64()),
        ("organization_key", pa.string()),
        ("key", pa.string()),
        ("last_seen_at", pa.timestamp("us", "UTC")),
        ("n_detections", pa.int32()),
        ("frames_fingerprint", pa.string()),
        *SCORE_FIELDS,
        ("runtime", pa.string()),
        ("detector", pa.string()),
        ("part", pa.string()),
    ]
)


def read_current(folder: PartsFolder) -> pa.Table | None:
    """The table that the last run laid out, None where there was none. Raises `StoreError`, `NewerFormat`."""
    return read_ipc(folder, CURRENT, FORMAT_VERSION)


def encode_current(current: pa.Table, identity: ModelIdentity, detector: str) -> bytes:
    """The bytes of `CURRENT`, stamped with what made it."""
    return to_ipc(current.replace_schema_metadata(stamp(identity, detector, FORMAT_VERSION)))


def lay_out(
    rows: Mapping[str, pa.Table], index: pa.Table, waiting: Mapping[str, Mapping[int, str]], detector: str
) -> pa.Table:
    """Each organization's plan beside what is known of each fingerprint, ordered by organization and sequence.

    ``rows`` are plans by organization key; ``waiting`` says by organization and sequence why it was not scored now.
    """
    tables = []
    for key in sorted(rows):
        plan = rows[key].sort_by("sequence_id")
        match = pc.index_in(plan["frames_fingerprint"], value_set=index["frames_fingerprint"])
        known = index.take(match)
        is_open = pc.and_(pc.is_valid(plan["frames_fingerprint"]), pc.is_null(match))
        reasons = waiting.get(key, {})
        open_errors = [
            reasons.get(sequence_id, "it was not scored yet: materialize predictions again") if is_left else None
            for sequence_id, is_left in zip(plan["sequence_id"].to_pylist(), is_open.to_pylist(), strict=True)
        ]
        open_reasons = [None if error is None else INCOMPLETE for error in open_errors]
        columns = {
            **{name: known[name] for name in known.column_names},
            "sequence_id": plan["sequence_id"],
            "organization_key": pa.array([key] * len(plan), pa.string()),
            "key": pc.binary_join_element_wise(KEY_PREFIX, plan["sequence_id"].cast(pa.string()), ""),
            "frames_fingerprint": plan["frames_fingerprint"],
            "n_frames": pc.coalesce(known["n_frames"], plan["n_frames"]),
            "n_frames_unusable": pc.coalesce(known["n_frames_unusable"], plan["n_frames_unusable"]),
            "last_seen_at": plan["last_seen_at"],
            "n_detections": plan["n_detections"],
            "dropped_reason": pc.coalesce(
                plan["dropped_reason"], known["dropped_reason"], pa.array(open_reasons, pa.string())
            ),
            "dropped_error": pc.coalesce(
                plan["dropped_error"], known["dropped_error"], pa.array(open_errors, pa.string())
            ),
            "detector": pa.array([detector] * len(plan), pa.string()),
        }
        tables.append(pa.table([columns[field.name] for field in CURRENT_SCHEMA], schema=CURRENT_SCHEMA))
    return pa.concat_tables([CURRENT_SCHEMA.empty_table(), *tables]).combine_chunks()
