"""How much was written since a state of the database that somebody else knows: a file, or a table made of one.

What lives here: counts alone, cheap enough to be asked for with every page. What does not: the rows (`export`).
"""

from sqlalchemy import Connection, func, select

from triage_assets.groups.records import DatabaseState
from triage_assets.review.export import has_been
from triage_assets.review.models import SequenceAnnotation, SequenceGroup


def count_annotated_since(connection: Connection, state: DatabaseState | None) -> int | None:
    """How many sequences' annotations were written since, by whoever; all of them since None.

    None where the database was never in that state: it is another one, or was restored from a copy.
    """
    return _count(connection, SequenceAnnotation, state)


def count_groups_changed_since(connection: Connection, state: DatabaseState | None) -> int | None:
    """How many groups are new, or have other members, another label or validation; None as for annotations."""
    return _count(connection, SequenceGroup, state)


def _count(
    connection: Connection, table: type[SequenceAnnotation] | type[SequenceGroup], state: DatabaseState | None
) -> int | None:
    if state is not None and not has_been(connection, state):
        return None
    written = select(func.count()).select_from(table)
    if state is not None:
        written = written.where(table.revision > state.revision)
    return connection.execute(written).scalar_one()
