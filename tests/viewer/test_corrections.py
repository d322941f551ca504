"""Correcting over HTTP: a group's label, what somebody else was faster with, and assigning anew."""

from dataclasses import replace

import httpx
import pytest
from triage_viewer.context import Context

from tests.groups.review_rows import dump
from tests.viewer.conftest import serve
from triage_assets.review.watch import last_decision

GROUPS, SEQUENCES = "/api/v1/sequence_groups", "/api/v1/annotations/sequences"
ANTENNA, WILDFIRE = {"false_positive_type": "antenna"}, {"smoke_type": "wildfire"}
NO_LABEL = {"smoke_type": None, "false_positive_type": None}


def test_a_slip_on_a_group_is_corrected(client: httpx.Client) -> None:
    client.put(f"{SEQUENCES}/21", json=ANTENNA)
    corrected = client.patch(f"{GROUPS}/2", json={**WILDFIRE, "relabel_copies": True})
    assert corrected.status_code == 200, corrected.text
    assert (corrected.json()["smoke_type"], corrected.json()["false_positive_type"]) == ("wildfire", None)
    assert client.get(f"{SEQUENCES}/22").json()["smoke_types"] == ["wildfire"]
    assert client.get(f"{SEQUENCES}/21").json()["false_positive_types"] == ["antenna"], "somebody's own"
    assert client.put(f"{SEQUENCES}/21", json=WILDFIRE).json()["group_propagation_warning"] is None
    line = client.get(f"{GROUPS}/2/decisions").json()["items"][1]
    assert (line["action"], line["details"]["replaced"]) == ("relabel", "false positive: antenna")


@pytest.mark.parametrize(
    ("body", "state", "label"),
    [
        (NO_LABEL, "unlabeled", None),
        ({**NO_LABEL, "is_unsure": True}, "unsure", None),
        ({"is_unsure": True}, "labeled", "antenna"),
        # As an answer shows a label, so it may be sent.
        ({**NO_LABEL, "false_positive_type": "sky", "is_validated": False}, "labeled", "sky"),
        ({"is_validated": False}, "labeled", "antenna"),
    ],
)
def test_what_a_patch_leaves_out_stays(
    client: httpx.Client, body: dict[str, object], state: str, label: str | None
) -> None:
    group = client.patch(f"{GROUPS}/3", json=body).json()
    assert (group["label_state"], group["false_positive_type"]) == (state, label)
    assert (group["is_unsure"], group["is_validated"]) == ("is_unsure" in body, "is_validated" not in body)


def test_unsure_without_a_label_is_said_of_the_group(client: httpx.Client) -> None:
    client.put(f"{SEQUENCES}/21", json={"annotation": {"sequences_bbox": []}, "is_unsure": True})
    assert client.get(f"{GROUPS}/2").json()["label_state"] == "unlabeled", "doubt about one member"
    assert client.patch(f"{GROUPS}/2", json={"is_unsure": True}).json()["label_state"] == "unsure"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "nothing is given to be set"),
        ({"relabel_copies": False}, "nothing is given"),
        ({"smoke_type": None}, "taken away with both"),
        ({**WILDFIRE, **ANTENNA}, "found both"),
        ({"smoke_type": "steam"}, "smoke_type: input should be"),
        ({"is_unsure": None}, "is_unsure: input should be a valid boolean"),
        ({"is_validated": None, **WILDFIRE}, "is_validated: input should be a valid boolean"),
        ({**WILDFIRE, "relabel_copies": 1}, "valid boolean"),
        ({"label": None}, "label: extra inputs"),
    ],
)
def test_a_patch_that_says_nothing_clear_is_refused(
    context: Context, client: httpx.Client, body: dict[str, object], message: str
) -> None:
    before = dump(context.review)
    answer = client.patch(f"{GROUPS}/3", json=body)
    assert answer.status_code == 422
    assert message in answer.json()["detail"]
    assert dump(context.review) == before


def test_the_slower_of_two_tabs_is_told_and_destroys_nothing(context: Context, client: httpx.Client) -> None:
    first = client.put(f"{SEQUENCES}/11", json=ANTENNA, headers={"If-None-Match": "*"})
    assert first.headers["ETag"] == f'"{first.json()["revision"]}"'
    assert client.get(f"{SEQUENCES}/11").headers["ETag"] == first.headers["ETag"]
    faster = client.put(f"{SEQUENCES}/11", json=WILDFIRE, headers={"If-Match": first.headers["ETag"]})
    assert faster.status_code == 200, faster.text
    before = dump(context.review)
    for headers in (
        {"If-Match": first.headers["ETag"]},
        {"If-Match": f"W/{first.headers['ETag']}"},
        {"If-None-Match": "*"},
    ):
        slower = client.put(f"{SEQUENCES}/11", json=ANTENNA, headers=headers)
        assert slower.status_code == 412, headers
        assert "was written by bob (annotate) at 20" in slower.json()["detail"]
    assert dump(context.review) == before
    weakened = {"If-Match": f"W/{faster.headers['ETag']}"}
    assert client.put(f"{SEQUENCES}/11", json=ANTENNA, headers=weakened).status_code == 200, "a proxy compressed it"
    assert client.put(f"{SEQUENCES}/11", json=WILDFIRE).status_code == 200, "who does not ask is not told"


def test_a_group_that_somebody_else_changed_is_not_changed(context: Context, client: httpx.Client) -> None:
    seen = client.get(f"{GROUPS}/1").headers["ETag"]
    changed = client.patch(f"{GROUPS}/1", json={"is_validated": True}, headers={"If-Match": seen})
    assert changed.headers["ETag"] == f'"{changed.json()["revision"]}"' != seen
    before = dump(context.review)
    slower = client.patch(f"{GROUPS}/1", json=ANTENNA, headers={"If-Match": seen})
    assert (slower.status_code, "by bob (validate)" in slower.json()["detail"]) == (412, True)
    assert dump(context.review) == before


@pytest.mark.parametrize(
    "headers",
    [
        {"If-Match": "17"},
        {"If-Match": "*"},
        {"If-Match": '"abc"'},
        {"If-None-Match": '"1"'},
        {"If-Match": '"1"', "If-None-Match": "*"},
    ],
)
def test_a_condition_that_is_none_is_refused(context: Context, client: httpx.Client, headers: dict[str, str]) -> None:
    before = dump(context.review)
    answer = client.put(f"{SEQUENCES}/11", json=ANTENNA, headers=headers)
    assert (answer.status_code, "Match: expected" in answer.json()["detail"]) == (422, True)
    assert dump(context.review) == before


def test_a_bulk_warns_of_validated_groups_that_say_something_else(client: httpx.Client) -> None:
    answer = client.post(f"{SEQUENCES}/bulk", json={"sequence_ids": [11, 31, 32], **WILDFIRE}).json()
    assert answer["warnings"] == [
        {
            "group_id": 3,
            "label": {"smoke_type": None, "false_positive_type": "antenna"},
            "sequence_ids": [31, 32],
            "sequences_total": 2,
        }
    ]
    assert answer["warnings_total"] == 1


def test_an_assignment_that_changes_something_is_a_decision_of_whoever_asked(
    context: Context, client: httpx.Client, review_url: str
) -> None:
    assert last_decision(review_url) is None
    report = client.post(f"{GROUPS}/assign").json()
    assert report["joined_existing"] == 1
    decided = last_decision(review_url)
    assert decided is not None
    (line,) = dump(context.review)["decisions"]
    assert "'assign'" in line
    assert any("'joined_existing': 1" in value and "'iou_threshold': 0.3" in value for value in line)
    client.post(f"{GROUPS}/assign")
    assert last_decision(review_url) == decided, "nothing was to be done"


def test_an_assignment_joins_by_the_servers_threshold(context: Context) -> None:
    # The box of sequence 41 is (0.11, 0.1, 0.31, 0.3): it overlaps the groups' regions by 0.9.
    with serve(replace(context, iou_threshold=0.95)) as client:
        report = client.post(f"{GROUPS}/assign").json()
    assert (report["new_groups"], report["joined_existing"]) == (1, 0)
