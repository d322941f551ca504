"""Where sequences stand, over HTTP, and who asks."""

import httpx
import numpy as np
import pytest
from triage_viewer.context import Context

from triage_assets.review.scores import record_scores

GROUPS, SEQUENCES = "/api/v1/sequence_groups", "/api/v1/sequences"


@pytest.mark.parametrize(
    ("sequence_id", "group_id", "is_group_excluded", "excluded_from"),
    [
        # In a group, waiting for one, taken out of group 1, and out of a group that is gone.
        (21, 2, False, None),
        (41, None, False, None),
        (42, None, True, 1),
        (43, None, True, None),
    ],
)
def test_a_sequence_says_where_it_stands(
    client: httpx.Client, sequence_id: int, group_id: int | None, is_group_excluded: bool, excluded_from: int | None
) -> None:
    assert client.get(f"{SEQUENCES}/{sequence_id}/standing").json() == {
        "sequence_id": sequence_id,
        "organization_key": "north-7",
        "camera_id": 5,
        "azimuth": 90,
        "recorded_at": f"2026-07-01T12:{sequence_id}:00Z",
        "last_seen_at": f"2026-07-01T12:{sequence_id}:00Z",
        "group_id": group_id,
        "group": None if group_id is None else {"id": 2, "is_validated": True, "label": None, "member_count": 5},
        "is_group_excluded": is_group_excluded,
        "excluded_from": excluded_from,
        "skipped_reason": None,
        "annotation": None,
        "score": None,
    }


def test_a_standing_has_the_annotation_as_it_is_had_alone_and_the_score(context: Context, client: httpx.Client) -> None:
    saved = client.put("/api/v1/annotations/sequences/31", json={"smoke_type": "wildfire"}).json()
    record_scores(context.review, np.array([31]), np.array([0.75]))
    standing = client.get(f"{SEQUENCES}/31/standing").json()
    assert standing["annotation"] == {**saved, "group_propagation_warning": None}
    assert standing["annotation"]["conflicts_with_group"]["group_id"] == 3
    assert standing["score"] == 0.75


def test_the_decisions_of_a_sequence_come_newest_first(client: httpx.Client) -> None:
    client.put("/api/v1/annotations/sequences/21", json={"smoke_type": "wildfire"})
    client.delete(f"{GROUPS}/2/members/21")
    client.delete(f"{GROUPS}/2/members/22")
    page = client.get(f"{SEQUENCES}/21/decisions?size=2").json()
    assert (page["total"], page["pages"]) == (3, 2)
    assert [(each["action"], each["by"]) for each in page["items"]] == [("remove_member", "bob"), ("propagate", "bob")]
    last = client.get(f"{SEQUENCES}/21/decisions?size=2&page=2").json()["items"]
    assert [each["action"] for each in last] == ["annotate"]


def test_a_page_knows_under_which_name_it_decides(client: httpx.Client) -> None:
    assert client.get("/api/v1/me").json() == {"username": "bob"}
