"""Groups over HTTP, from the list to the audit."""

import httpx
import pytest
from triage_viewer.context import Context

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


def test_the_counts_agree_with_the_lists(client: httpx.Client) -> None:
    for query in ("", "&is_validated=true", "&min_members=3", "&azimuth=725", "&organization=North"):
        stats = client.get(f"{GROUPS}/stats?label_state=all{query}").json()
        for state in ("labeled", "unsure", "unlabeled"):
            total = client.get(f"{GROUPS}/?label_state={state}{query}").json()["total"]
            if "is_validated" not in query:
                assert stats[state] == total, (query, state)
        assert stats["total"] == stats["validated"] + stats["unvalidated"]


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


def test_the_first_page_names_every_path(client: httpx.Client) -> None:
    assert set(client.get("/").json()["paths"]) == {
        "/api/v1/annotations/sequences/bulk",
        "/api/v1/annotations/sequences/{sequence_id}",
        "/api/v1/sequence_groups/",
        "/api/v1/sequence_groups/assign",
        "/api/v1/sequence_groups/members/{sequence_id}/re-include",
        "/api/v1/sequence_groups/stats",
        "/api/v1/sequence_groups/{group_id}",
        "/api/v1/sequence_groups/{group_id}/decisions",
        "/api/v1/sequence_groups/{group_id}/members/{sequence_id}",
    }
