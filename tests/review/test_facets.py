"""What groups can be filtered by, on both kinds of database."""

from tests.review.rows import add_group
from triage_assets.review.database import ReviewDatabase
from triage_assets.review.facets import CameraFacet, Facets, OrganizationFacet, load_facets
from triage_assets.review.listing import count_groups
from triage_assets.review.records import GroupFilter

HILL = {"organization_key": "hill-2", "organization_name": "Hill"}


def test_organizations_and_cameras_come_by_name_with_their_angles_and_counts(review: ReviewDatabase) -> None:
    with review.write() as write:
        add_group(write.connection, 1, member_count=2, azimuth=90)
        add_group(write.connection, 2, member_count=5, azimuth=45, is_unsure=True)
        add_group(write.connection, 3, member_count=2, azimuth=90)
        add_group(write.connection, 4, member_count=3, camera_id=9, camera_name="east", azimuth=0)
        add_group(write.connection, 5, member_count=2, camera_id=8, camera_name="top", azimuth=0, **HILL)
        # A singleton is in no list.
        add_group(write.connection, 6, member_count=1, camera_id=10, organization_key="plain-3")
    with review.read() as connection:
        facets = load_facets(connection)
        for organization in facets.organizations:
            wanted = GroupFilter(organization_key=organization.key)
            assert count_groups(connection, wanted).count() == organization.group_count
        for camera in facets.cameras:
            assert count_groups(connection, GroupFilter(camera_id=camera.id)).count() == camera.group_count
    assert facets == Facets(
        organizations=(OrganizationFacet("hill-2", "Hill", 1), OrganizationFacet("valley-1", "Valley", 4)),
        cameras=(
            CameraFacet(9, "east", "valley-1", (0,), 1),
            CameraFacet(7, "north ridge", "valley-1", (45, 90), 3),
            CameraFacet(8, "top", "hill-2", (0,), 1),
        ),
    )


def test_a_camera_that_was_renamed_is_called_as_its_newest_group_calls_it(review: ReviewDatabase) -> None:
    with review.write() as write:
        add_group(write.connection, 2, member_count=2, camera_name="new", organization_name="New", is_unsure=True)
        add_group(write.connection, 1, member_count=2, camera_name="old", organization_name="Old")
    with review.read() as connection:
        facets = load_facets(connection)
    assert [each.name for each in (*facets.organizations, *facets.cameras)] == ["New", "new"]


def test_an_empty_database_has_none(review: ReviewDatabase) -> None:
    with review.read() as connection:
        assert load_facets(connection) == Facets((), ())
