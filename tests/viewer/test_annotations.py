"""Annotations over HTTP."""

import httpx

GROUPS, SEQUENCES = "/api/v1/sequence_groups", "/api/v1/annotations/sequences"


def test_a_label_is_saved_and_spreads(client: httpx.Client) -> None:
    saved = client.put(f"{SEQUENCES}/21", json={"false_positive_type": "antenna", "is_unsure": True})
    assert saved.status_code == 200, saved.text
    body = saved.json()
    assert (body["processing_stage"], body["is_unsure"], body["has_smoke"]) == ("seq_annotation_done", True, False)
    assert (body["group_id"], body["group_propagation_warning"]) == (2, None)
    assert body["contributors"] == [{"username": "bob"}]
    assert body["annotation"] == {
        "sequences_bbox": [
            {
                "is_smoke": False,
                "smoke_type": None,
                "false_positive_types": ["antenna"],
                "bboxes": [
                    {"detection_id": 2100, "xyxyn": [0.1, 0.1, 0.3, 0.3]},
                    {"detection_id": 2101, "xyxyn": [0.12, 0.1, 0.32, 0.3]},
                ],
            }
        ]
    }
    assert client.get(f"{SEQUENCES}/21").json() == body
    assert client.get(f"{SEQUENCES}/22").json()["false_positive_types"] == ["antenna"]
    assert client.get(f"{GROUPS}/2").json()["label_state"] == "labeled"


def test_clusters_are_saved_as_given_and_can_be_sent_back(client: httpx.Client) -> None:
    cluster = {"is_smoke": True, "bboxes": [{"detection_id": 2102, "xyxyn": [0, 0.25, 0.5, 1]}]}
    annotation = {
        "sequences_bbox": [cluster, {"is_smoke": False, "bboxes": [], "false_positive_types": ["sky", "sky"]}]
    }
    stored = client.put(f"{SEQUENCES}/21", json={"annotation": annotation}).json()
    assert stored["annotation"]["sequences_bbox"] == [
        {**cluster, "smoke_type": None, "false_positive_types": []},
        {"is_smoke": False, "smoke_type": None, "false_positive_types": ["sky"], "bboxes": []},
    ]
    again = client.put(f"{SEQUENCES}/21", json={"annotation": stored["annotation"]})
    assert again.json()["annotation"] == stored["annotation"]


def test_one_members_doubt_is_not_its_groups(client: httpx.Client) -> None:
    answer = client.put(f"{SEQUENCES}/21", json={"annotation": {"sequences_bbox": []}, "is_unsure": True})
    assert answer.status_code == 200, answer.text
    assert client.get(f"{GROUPS}/2").json()["label_state"] == "unlabeled"


def test_another_label_than_the_groups_answers_with_a_warning(client: httpx.Client) -> None:
    saved = client.put(f"{SEQUENCES}/31", json={"smoke_type": "wildfire"}).json()
    assert saved["smoke_types"] == ["wildfire"]
    assert saved["group_id"] == 3
    assert "Group 3 is labelled false positive: antenna" in saved["group_propagation_warning"]


def test_a_conflict_is_shown_until_it_is_reconciled(client: httpx.Client) -> None:
    saved = client.put(f"{SEQUENCES}/31", json={"smoke_type": "wildfire"}).json()
    antenna = {"group_id": 3, "label": {"smoke_type": None, "false_positive_type": "antenna"}}
    assert saved["conflicts_with_group"] == antenna
    # The warning is said once; whoever comes later is shown the same.
    again = client.get(f"{SEQUENCES}/31").json()
    assert (again["group_propagation_warning"], again["conflicts_with_group"]) == (None, antenna)
    agreed = client.put(f"{SEQUENCES}/31", json={"false_positive_type": "antenna"}).json()
    assert agreed["conflicts_with_group"] is None
    assert client.get(f"{SEQUENCES}/31").json()["conflicts_with_group"] is None


def test_an_annotation_says_who_looked(client: httpx.Client) -> None:
    assert client.put(f"{SEQUENCES}/21", json={"smoke_type": "wildfire"}).json()["origin"] == "person"
    copy = client.get(f"{SEQUENCES}/22").json()
    assert (copy["origin"], copy["contributors"]) == ("propagated", [{"username": "bob"}])


def test_a_bulk_answers_for_every_sequence_once(client: httpx.Client) -> None:
    body = {"sequence_ids": [21, 23, 24, 21, 999, -5], "smoke_type": "industrial"}
    assert client.post(f"{SEQUENCES}/bulk", json=body).json() == {
        "applied": [{"sequence_id": 21, "status": "applied", "reason": None}],
        "skipped": [
            {"sequence_id": 23, "status": "skipped", "reason": "locked stage: under_annotation"},
            {"sequence_id": 24, "status": "skipped", "reason": "no predictions to seed an annotation"},
            {"sequence_id": 999, "status": "skipped", "reason": "not found"},
            {"sequence_id": -5, "status": "skipped", "reason": "not found"},
        ],
        "group_label_updated": False,
        "warnings": [],
        "warnings_total": 0,
    }


def test_force_replaces_a_groups_label(client: httpx.Client) -> None:
    body = {"sequence_ids": [31, 32], "smoke_type": "wildfire", "group_id": 3}
    assert client.post(f"{SEQUENCES}/bulk", json=body).status_code == 409
    answer = client.post(f"{SEQUENCES}/bulk", json={**body, "force": True}).json()
    assert ([each["sequence_id"] for each in answer["applied"]], answer["group_label_updated"]) == ([31, 32], True)
    assert client.get(f"{GROUPS}/3").json()["smoke_type"] == "wildfire"
