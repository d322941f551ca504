"""Groups over HTTP, from the list to the audit."""

import itertools

import httpx
import pytest
from sqlalchemy import update
from triage_viewer.context import Context

from triage_assets.review.models import SequenceGroup

GROUPS = "/api/v1/sequence_groups"


def ids(answer: httpx.Response) -> list[int]:
    """The groups of a list, in its order."""
    assert answer.status_code == 200, answer.text
    return [item["id"] for item in answer.json()["items"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        # Unlabelled is what is left to do.
        ("", [2, 1]),
        ("?label_state=all", [2, 1, 3]),
        ("?label_state=labeled", [3]),
        ("?label_state=unsure", []),
        ("?label_state=all&is_validated=true", [2, 3]),
        ("?label_state=all&is_validated=false", [1]),
        ("?label_state=all&min_members=3", [2, 1]),
        ("?label_state=all&camera_id=5&azimuth=90", [2, 1, 3]),
        # An angle that no camera has is a question, and its answer is nothing.
        ("?label_state=all&azimuth=725", []),
        ("?label_state=all&azimuth=-1", []),
        ("?label_state=all&organization=north-7", [2, 1, 3]),
        ("?label_state=all&organization=North", [2, 1, 3]),
        ("?label_state=all&order_by=member_count&order_direction=asc", [3, 1, 2]),
        ("?label_state=all&size=2&page=2", [3]),
        ("?label_state=all&page=9", []),
    ],
)
def test_the_list_is_filtered_sorted_and_paged(client: httpx.Client, query: str, expected: list[int]) -> None:
    assert ids(client.get(f"{GROUPS}/{query}")) == expected


def test_a_page_says_how_many_there_are(client: httpx.Client) -> None:
    answer = client.get(f"{GROUPS}/?label_state=all&size=2").json()
    assert {name: answer[name] for name in ("total", "page", "size", "pages")} == {
        "total": 3, "page": 1, "size": 2, "pages": 2,
    }  # fmt: skip
    empty = client.get(f"{GROUPS}/?label_state=unsure").json()
    assert (empty["total"], empty["pages"]) == (0, 0)


STATES = ("all", "labeled", "unsure", "unlabeled")
VALIDATIONS = ("", "&is_validated=true", "&is_validated=false")
PLACES = ("", "&min_members=3", "&azimuth=725", "&organization=North", "&camera_id=5&organization=north-7")


def test_the_counts_agree_with_the_lists(context: Context, client: httpx.Client) -> None:
    """Of a group in each label state, in both validations; every count against the list that it promises."""
    with context.review.write() as write:
        write.connection.execute(update(SequenceGroup).where(SequenceGroup.id == 1).values(is_unsure=True))
    totals: dict[tuple[str, str, str], int] = {}
    stats: dict[tuple[str, str, str], dict[str, int]] = {}
    for state, validation, place in itertools.product(STATES, VALIDATIONS, PLACES):
        query = f"?label_state={state}{validation}{place}"
        page = client.get(f"{GROUPS}/{query}").json()
        stats[state, validation, place] = client.get(f"{GROUPS}/stats{query}").json()
        totals[state, validation, place] = page["total"]
        assert page["stats"] == stats[state, validation, place], "they are of one moment in one answer"
    assert set(totals.values()) == {0, 1, 2, 3}
    for (state, validation, place), counts in stats.items():
        assert counts == {
            "total": totals[state, validation, place],
            "validated": totals[state, "&is_validated=true", place],
            "unvalidated": totals[state, "&is_validated=false", place],
            **{each: totals[each, validation, place] for each in STATES[1:]},
        }


def test_an_item_shows_what_a_list_needs(client: httpx.Client) -> None:
    item = client.get(f"{GROUPS}/").json()["items"][0]
    assert item["organisation_name"] == "North"
    assert item["representative_bbox"] == {"xyxyn": [0.1, 0.1, 0.3, 0.3], "confidence": 0.5}
    assert (item["is_validated"], item["validated_by_username"], item["member_count"]) == (True, "ada", 5)
    assert [thumbnail["sequence_id"] for thumbnail in item["thumbnails"]] == [21, 23, 25]
    assert item["thumbnails"][0]["boxes"] == [{"xyxyn": [0.1, 0.1, 0.3, 0.3], "confidence": 0.5}]


def test_a_group_comes_with_a_page_of_its_members(client: httpx.Client) -> None:
    group = client.get(f"{GROUPS}/2?members_size=2&members_page=2").json()
    assert [member["sequence_id"] for member in group["members"]] == [23, 24]
    assert [member["annotation_processing_stage"] for member in group["members"]] == ["under_annotation", None]
    assert (group["members_total"], group["members_page"], group["members_size"]) == (5, 2, 2)


def test_a_member_shows_who_looked_at_it(client: httpx.Client) -> None:
    client.put("/api/v1/annotations/sequences/21", json={"smoke_type": "wildfire", "is_unsure": True})
    members = {each["sequence_id"]: each for each in client.get(f"{GROUPS}/2").json()["members"]}
    seen = ("origin", "is_unsure", "has_smoke", "smoke_type", "contributors")
    bob = [{"username": "bob"}]
    assert [members[21][name] for name in seen] == ["person", True, True, "wildfire", bob]
    assert [members[22][name] for name in seen] == ["propagated", True, True, "wildfire", bob]
    assert [members[24][name] for name in seen] == [None, None, None, None, []]


def test_lists_can_be_filtered_by_what_the_facets_name(client: httpx.Client) -> None:
    facets = client.get(f"{GROUPS}/facets").json()
    assert facets == {
        "organizations": [{"key": "north-7", "name": "North", "group_count": 3}],
        "cameras": [{"id": 5, "name": "cam", "organization_key": "north-7", "azimuths": [90], "group_count": 3}],
    }
    for query in ("organization=north-7", "organization=North", "camera_id=5", "azimuth=90"):
        assert client.get(f"{GROUPS}/?label_state=all&{query}").json()["total"] == 3


def test_what_was_taken_out_of_a_group_is_listed_until_it_is_back(client: httpx.Client) -> None:
    assert client.get(f"{GROUPS}/2/excluded").json() == {
        "items": [], "total": 0, "page": 1, "size": 50, "pages": 0
    }  # fmt: skip
    for sequence_id in (22, 21):
        client.delete(f"{GROUPS}/2/members/{sequence_id}")
    page = client.get(f"{GROUPS}/2/excluded?size=1&page=2").json()
    assert (page["total"], page["pages"]) == (2, 2)
    (member,) = page["items"]
    assert (member["sequence_id"], member["annotation_processing_stage"]) == (22, "ready_to_annotate")
    assert (member["first_detection_id"], len(member["first_detection_boxes"])) == (2200, 1)
    client.post(f"{GROUPS}/members/22/re-include")
    assert [each["sequence_id"] for each in client.get(f"{GROUPS}/2/excluded").json()["items"]] == [21]
    assert [each["sequence_id"] for each in client.get(f"{GROUPS}/1/excluded").json()["items"]] == [42]


def test_validating_is_recorded_with_the_servers_user(client: httpx.Client) -> None:
    answer = client.patch(f"{GROUPS}/1", json={"is_validated": True})
    assert (answer.status_code, answer.json()["validated_by_username"]) == (200, "bob")
    (line,) = client.get(f"{GROUPS}/1/decisions").json()["items"]
    assert (line["action"], line["by"], line["group_id"]) == ("validate", "bob", 1)
    assert client.patch(f"{GROUPS}/1", json={"is_validated": False}).json()["validated_at"] is None
    lines = client.get(f"{GROUPS}/1/decisions?size=1").json()
    assert (lines["total"], lines["items"][0]["action"]) == (2, "unvalidate")


def test_a_member_is_removed_and_re_included(client: httpx.Client) -> None:
    for _ in range(2):
        answer = client.delete(f"{GROUPS}/2/members/21")
        assert (answer.status_code, answer.content) == (204, b"")
    assert client.get(f"{GROUPS}/2").json()["member_count"] == 4
    for _ in range(2):
        assert client.post(f"{GROUPS}/members/21/re-include").status_code == 204
    assert client.get(f"{GROUPS}/2").json()["member_count"] == 5
    assert client.get(f"{GROUPS}/2/decisions").json()["total"] == 2


def test_an_assignment_places_what_is_in_no_group(client: httpx.Client) -> None:
    report = client.post(f"{GROUPS}/assign").json()
    assert (report["already_running"], report["processed"], report["joined_existing"]) == (False, 1, 1)
    assert client.post(f"{GROUPS}/assign").json()["processed"] == 0, "41 was placed; 42 and 43 are excluded"


def test_a_second_assignment_says_that_one_is_running(context: Context, client: httpx.Client) -> None:
    with context.review.try_assignment_lock() as is_alone:
        assert is_alone
        answer = client.post(f"{GROUPS}/assign")
    assert answer.status_code == 200
    assert answer.json() == {
        "already_running": True, "processed": 0, "new_groups": 0, "joined_existing": 0, "inherited_annotations": 0,
        "skipped_no_bbox": 0, "skipped": {"no_camera": 0, "no_azimuth": 0, "no_valid_box": 0},
    }  # fmt: skip


def test_the_description_names_every_path(client: httpx.Client) -> None:
    assert set(client.get("/api/v1/openapi.json").json()["paths"]) == {
        "/api/v1/annotations/sequences/bulk",
        "/api/v1/annotations/sequences/{sequence_id}",
        "/api/v1/frames/{detection_id}",
        "/api/v1/me",
        "/api/v1/run",
        "/api/v1/sequence_groups/",
        "/api/v1/sequence_groups/assign",
        "/api/v1/sequence_groups/facets",
        "/api/v1/sequence_groups/members/{sequence_id}/re-include",
        "/api/v1/sequence_groups/stats",
        "/api/v1/sequence_groups/{group_id}",
        "/api/v1/sequence_groups/{group_id}/decisions",
        "/api/v1/sequence_groups/{group_id}/excluded",
        "/api/v1/sequence_groups/{group_id}/members/{sequence_id}",
        "/api/v1/sequences/{sequence_id}",
        "/api/v1/sequences/{sequence_id}/decisions",
        "/api/v1/sequences/{sequence_id}/standing",
        "/api/v1/session",
        "/api/v1/triage/cameras",
        "/api/v1/triage/command",
        "/api/v1/triage/download",
        "/api/v1/triage/facets",
        "/api/v1/triage/rows",
        "/api/v1/triage/scores",
        "/api/v1/triage/summary",
    }
