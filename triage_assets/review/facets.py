"""What groups can be filtered by: the organizations and cameras that have any to list.

What lives here: both with their names and numbers of groups. What does not: lists under a filter (`listing`).
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, func, literal_column, select

from triage_assets.review.models import LISTED_MEMBERS, SequenceGroup


@dataclass(frozen=True, slots=True)
class OrganizationFacet:
    """An organization that has groups to list, and how many."""

    key: str
    name: str
    group_count: int


@dataclass(frozen=True, slots=True)
class CameraFacet:
    """A camera that has groups to list, how many, and the angles that they are at."""

    id: int
    name: str
    organization_key: str
    azimuths: tuple[int, ...]
    group_count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """By name, and of equal names by key or id."""

    organizations: tuple[OrganizationFacet, ...]
    cameras: tuple[CameraFacet, ...]


_IDS = 10_000  # SQLite takes 32,766 values in a statement, PostgreSQL 65,535

# Label state and validation come first because the index over them does: counting its rows in their order takes two
# thirds of the time of sorting them anew.
_PLACES = (
    SequenceGroup.label_state,
    SequenceGroup.is_validated,
    SequenceGroup.organization_key,
    SequenceGroup.camera_id,
    SequenceGroup.azimuth,
)


def load_facets(connection: Connection) -> Facets:
    """The organizations and cameras of all groups that are no singletons; named as their group of the highest id is."""
    rows = connection.execute(
        select(*_PLACES, func.count().label("n"), func.max(SequenceGroup.id).label("newest"))
        .where(SequenceGroup.member_count >= literal_column(str(LISTED_MEMBERS)))  # or no partial index would be used
        .group_by(*_PLACES)
    )
    found: defaultdict[tuple[str, int], _Found] = defaultdict(_Found)
    for row in rows:
        camera = found[row.organization_key, row.camera_id]
        camera.group_count += row.n
        camera.newest_group = max(camera.newest_group, row.newest)
        camera.azimuths.add(row.azimuth)
    names = _load_names(connection, [camera.newest_group for camera in found.values()])
    cameras: list[CameraFacet] = []
    organizations: dict[str, OrganizationFacet] = {}
    for (key, camera_id), camera in sorted(found.items(), key=lambda item: item[1].newest_group):
        camera_name, organization_name = names[camera.newest_group]
        azimuths = tuple(sorted(camera.azimuths))
        cameras.append(CameraFacet(camera_id, camera_name, key, azimuths, camera.group_count))
        others = organizations[key].group_count if key in organizations else 0
        organizations[key] = OrganizationFacet(key, organization_name, others + camera.group_count)
    cameras.sort(key=lambda each: (each.name, each.id, each.organization_key))
    return Facets(tuple(sorted(organizations.values(), key=lambda each: (each.name, each.key))), tuple(cameras))


@dataclass(slots=True)
class _Found:
    """What was counted of one camera so far."""

    group_count: int = 0
    newest_group: int = 0
    azimuths: set[int] = field(default_factory=set)


def _load_names(connection: Connection, group_ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """The names of camera and organization of each group."""
    named = select(SequenceGroup.id, SequenceGroup.camera_name, SequenceGroup.organization_name)
    found: dict[int, tuple[str, str]] = {}
    for start in range(0, len(group_ids), _IDS):
        some = connection.execute(named.where(SequenceGroup.id.in_(group_ids[start : start + _IDS])))
        found.update((row.id, (row.camera_name, row.organization_name)) for row in some)
    return found
