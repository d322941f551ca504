"""Organizations as people name them.

What lives here: finding the key of a name. What does not: their snapshots.
"""

from triage_assets.annotator.records import Organization, partition_key
from triage_assets.annotator.snapshot import stored_keys
from triage_assets.errors import InvalidDecision
from triage_assets.store import Store


def find_organization(store: Store, text: str) -> str:
    """The key that a text is, or that an organization of that name has. Raises `InvalidDecision`."""
    keys = stored_keys(store)
    if text in keys:
        return text
    named = [key for key in keys if key == partition_key(Organization(int(key.rpartition("-")[2]), text))]
    if len(named) != 1:
        raise InvalidDecision(
            "No organization is called that" if not named else "Several organizations are called that",
            found=repr(text[:80]),
            expected=f"one of {', '.join(named or keys) or 'none: nothing was pulled yet'}",
        )
    return named[0]
