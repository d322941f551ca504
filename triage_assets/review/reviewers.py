"""People by name.

What lives here: the number that stands for a person in the tables. What does not: what they may do, or their passwords.
"""

from sqlalchemy import insert, select

from triage_assets.review.database import Write
from triage_assets.review.models import Reviewer


def reviewer_id(write: Write, name: str) -> int:
    """The person's number, given where they have none yet."""
    # Writes happen one after the other, so nobody can take the name in between.
    known = write.connection.execute(select(Reviewer.id).where(Reviewer.name == name)).scalar()
    if known is not None:
        return known
    created = insert(Reviewer).values(name=name, created_at=write.now).returning(Reviewer.id)
    return write.connection.execute(created).scalar_one()
