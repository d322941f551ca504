"""Recorded answers of both server versions are read, and one bad value costs nothing but itself."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from triage_assets.annotator.listing import check_sample_stage
from triage_assets.annotator.parse import (
    parse_detection,
    parse_organizations,
    parse_page,
    parse_sequence,
    stage_of,
)
from triage_assets.annotator.records import Box, Organization
from triage_assets.errors import UnexpectedAnswer, UnknownStage

SAMPLES = Path(__file__).parents[1] / "samples"
VERSIONS = ("newer", "older")


def sample(name):
    return json.loads((SAMPLES / f"{name}.json").read_text())


def sequence_item(**changes):
    return sample("newer-sequences-page")["body"]["items"][0] | changes


def detection_item(**changes):
    return sample("newer-detections-page")["body"]["items"][0] | changes


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_listings_are_read_without_altering_anything(version):
    altered = Counter()
    page = parse_page(sample(f"{version}-sequences-page")["body"], "it")
    rows = [parse_sequence(item, altered).row for item in page.items]
    assert (page.total, len(rows), altered) == (66, 3, Counter())
    assert [row.organization_name for row in rows] == ["SDIS Ardèche", "Forêt d'Orléans", "sdis-77"]
    assert [row.azimuth for row in rows] == [0, 150, 15]
    assert [row.annotator_group_id for row in rows] == [4, 3, 5]
    assert all(row.recorded_at.tzinfo is UTC for row in rows)
    assert [row.temporal_model_score for row in rows] == ([0.2382, None, None] if version == "newer" else [None] * 3)


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_listings_with_annotations_are_read_in_their_other_time_format(version):
    altered = Counter()
    item = sample(f"{version}-sequences-include-annotation")["body"]["items"][0]
    row = parse_sequence(item, altered).row
    assert row.created_at.isoformat() == item["created_at"].replace(" ", "T")
    assert row.recorded_at.utcoffset().total_seconds() == 0
    assert stage_of(item) == "ready_to_annotate"
    assert not altered


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_detections_are_read(version):
    altered = Counter()
    items = sample(f"{version}-detections-page")["body"]["items"]
    detections = [parse_detection(item, altered, altered) for item in items]
    assert [detection.id for detection in detections] == [item["id"] for item in items]
    assert [[box.confidence for box in detection.boxes] for detection in detections] == [
        [box["confidence"] for box in item["algo_predictions"]["predictions"]] for item in items
    ]
    n_others = [len((item["others_bboxes"] or {"predictions": []})["predictions"]) for item in items]
    assert [len(detection.other_boxes) for detection in detections] == n_others
    assert not altered


@pytest.mark.parametrize("version", VERSIONS)
def test_recorded_organizations_are_read(version):
    rejected = Counter()
    answer = sample(f"{version}-errors-and-edges")["cases"]["organizations"]["body"]
    organizations = parse_organizations(answer, rejected)
    assert organizations[0] == Organization(100, "SDIS Ardèche")
    assert (len(organizations), rejected) == (6, Counter())


@pytest.mark.parametrize(
    ("changes", "field", "value", "reason"),
    [
        ({"lat": None}, "lat", None, None),  # served so: nothing was altered
        ({"lat": float("nan")}, "lat", None, "lat: Input should be a finite number"),  # bare NaN
        ({"lon": float("inf")}, "lon", None, "lon: Input should be a finite number"),
        ({"temporal_model_score": "high"}, "temporal_model_score", None, "temporal_model_score: Input should be"),
        ({"azimuth": 725}, "azimuth", 725, None),  # any whole number is kept
        ({"azimuth": -1}, "azimuth", -1, None),
        ({"azimuth": None}, "azimuth", None, None),
        ({"azimuth": 12.0}, "azimuth", 12, None),
        ({"azimuth": 12.5}, "azimuth", None, "azimuth: Input should be a valid integer"),
        ({"alert_api_id": 2**70}, "alert_api_id", None, "alert_api_id: "),  # no column could hold it
        ({"camera_id": {"$": 1}}, "camera_id", None, "camera_id: "),
        ({"camera_name": None}, "camera_name", "", None),
        ({"camera_name": ["x"]}, "camera_name", "", "camera_name: Input should be a valid string"),
        ({"camera_name": " ../ä\n\t/ "}, "camera_name", " ../ä\n\t/ ", None),  # untrusted, kept as it is
        ({"camera_name": "half \ud800"}, "camera_name", "", "camera_name: "),  # half a surrogate pair
        ({"camera_name": "a\0b"}, "camera_name", "a\ufffdb", "camera_name: U+0000 replaced"),  # no PostgreSQL text
        ({"organisation_name": "\0"}, "organization_name", "\ufffd", "organisation_name: U+0000 replaced"),
        ({"is_wildfire_alertapi": 3}, "is_wildfire_alertapi", None, "is_wildfire_alertapi: "),
        ({"created_at": "yesterday"}, "created_at", None, "created_at: "),
        ({"created_at": "0001-01-01T00:00:00+14:00"}, "created_at", None, "created_at: Value error, beyond"),
        (
            {"last_seen_at": None},
            "last_seen_at",
            datetime(2026, 10, 12, 23, 4, 19, tzinfo=UTC),
            "last_seen_at: missing",
        ),
        (
            {"recorded_at": "2026-01-02T03:04:05"},
            "recorded_at",
            datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            None,
        ),  # no zone
        ({"recorded_at": "2026-01-02 04:04:05+01:00"}, "recorded_at", datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None),
        ({"a_new_field": 1}, "id", 3, None),
    ],
)
def test_a_bad_optional_value_costs_only_itself(changes, field, value, reason):
    altered = Counter()
    listed = parse_sequence(sequence_item(**changes), altered)
    assert getattr(listed.row, field) == value
    assert listed.row.alert_api_id == (10022 if field != "alert_api_id" else None)
    assert sum(altered.values()) == (reason is not None)
    assert all(text.startswith(reason) for text in altered)


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        (sequence_item(id=None), "id: "),
        (sequence_item(id=2**64), "id: "),
        (sequence_item(id=-4), "id: "),
        (sequence_item(recorded_at="?"), "recorded_at: "),
        (sequence_item(recorded_at="0001-01-01T00:00:00+14:00"), "recorded_at: Value error, beyond the calendar"),
        (sequence_item(recorded_at=1790000000), "recorded_at: Value error, not a text"),  # a number is no time
        (sequence_item(organisation_id=None), "organisation_id: "),
        (sequence_item(organisation_name=None), "organisation_name: "),
        (None, "Input should be"),
        ("row", "Input should be"),
        ([], "Input should be"),
    ],
)
def test_a_row_without_identity_time_or_organization_is_rejected_with_its_reason(item, reason):
    listed = parse_sequence(item, Counter())
    assert listed.row is None
    assert listed.rejected.startswith(reason)


def test_rejected_rows_are_told_apart():
    items = [sequence_item(id=None), sequence_item(id=None, lat=1.0), sequence_item(id=None), None]
    assert len({parse_sequence(item, Counter()).identity for item in items}) == 3


def test_a_row_that_is_nested_too_deeply_is_rejected_like_any_other():
    deep = []
    for _ in range(100_000):
        deep = [deep]
    assert parse_sequence({"id": None, "more": deep}, Counter()).row is None


BOX = {"xyxyn": [0.1, 0.2, 0.3, 0.4], "confidence": 0.5, "class_name": "smoke"}


@pytest.mark.parametrize(
    ("predictions", "n_boxes", "reason"),
    [
        ({"predictions": []}, 0, None),
        (None, 0, None),
        ({"predictions": [BOX, BOX]}, 2, None),
        ({"predictions": [BOX | {"xyxyn": [1, 0, 0, 1]}]}, 1, None),  # reversed corners are kept, whole numbers too
        ({"predictions": [BOX | {"xyxyn": [0.1, 0.2, 0.3]}, BOX]}, 1, "a box is not four finite numbers"),
        ({"predictions": [BOX | {"xyxyn": [0.1, 0.2, 0.3, 0.4, 0.5]}]}, 0, "a box is not four finite numbers"),
        ({"predictions": [BOX | {"xyxyn": [0.1, float("nan"), 0.3, 0.4]}]}, 0, "a box is not four finite numbers"),
        ({"predictions": [BOX | {"xyxyn": [0.1, "0.2", 0.3, 0.4]}]}, 0, "a box is not four finite numbers"),
        ({"predictions": [BOX | {"xyxyn": [0.1, True, 0.3, 0.4]}]}, 0, "a box is not four finite numbers"),
        ({"predictions": [BOX | {"xyxyn": [10**400, 0, 1, 1]}]}, 0, "a box is not four finite numbers"),
        ({"predictions": [BOX | {"xyxyn": None}]}, 0, "a box is not four finite numbers"),
        ({"predictions": [BOX | {"confidence": float("inf")}]}, 0, "a box has no finite confidence"),
        ({"predictions": [{"xyxyn": [0, 0, 1, 1], "class_name": "smoke"}]}, 0, "a box has no finite confidence"),
        ({"predictions": [BOX | {"class_name": None}]}, 0, "a box has no class name"),
        ({"predictions": [BOX | {"class_name": "\0"}]}, 1, "class_name: U+0000 replaced"),  # the box is as good as ever
        ({"predictions": ["box", BOX]}, 1, "a prediction is no object"),
        ({"predictions": {"0": BOX}}, 0, "no list of predictions"),
        ([BOX], 0, "no list of predictions"),
    ],
)
@pytest.mark.parametrize("field", ["algo_predictions", "others_bboxes"])
def test_boxes_that_are_none_are_dropped_and_counted(field, predictions, n_boxes, reason):
    altered = Counter()
    detection = parse_detection(detection_item(**{field: predictions}), altered, Counter())
    boxes = detection.boxes if field == "algo_predictions" else detection.other_boxes
    assert len(boxes) == n_boxes
    assert altered == ({f"{field}: {reason}": 1} if reason else {})
    assert all(isinstance(box, Box) and "\0" not in box.class_name for box in boxes)


@pytest.mark.parametrize(
    "changes",
    [{"id": None}, {"sequence_id": "x"}, {"recorded_at": None}, {"recorded_at": "9999-12-31T23:59:59-14:00"}],
)
def test_a_detection_without_identity_or_time_is_rejected_and_counted_apart(changes):
    altered, rejected = Counter(), Counter()
    assert parse_detection(detection_item(**changes), altered, rejected) is None
    assert [reason.partition(":")[0] for reason in rejected] == list(changes)
    assert altered == Counter()


@pytest.mark.parametrize(
    "answer", [[], None, {}, {"items": [], "total": None}, {"items": {}, "total": 1}, {"items": [], "total": -1}]
)
def test_an_answer_that_is_no_page_is_an_error_and_not_an_empty_list(answer):
    with pytest.raises(UnexpectedAnswer, match="is no page"):
        parse_page(answer, "the list")


def test_organizations_with_several_spellings_and_bad_entries_are_read():
    rejected = Counter()
    answer = [{"id": 2, "name": "B"}, {"id": 1, "name": "b"}, {"id": 1, "name": "B"}, {"id": None, "name": "x"}, 7]
    assert parse_organizations(answer, rejected) == (Organization(1, "B"), Organization(1, "b"), Organization(2, "B"))
    assert sum(rejected.values()) == 2


@pytest.mark.parametrize(
    ("stage", "found", "message"),
    [
        ("ready_to_annotate", ["ready_to_annotate"] * 2, None),
        ("ready_to_annotate", [], None),  # an empty backlog proves nothing wrong
        ("ready_to_annotate", ["ready_to_annotate", "annotated"], "sequences at 'annotated'"),
        ("in_review", ["ready_to_annotate"], "does not filter"),  # the newer server ignores this stage
        ("ready_to_annotate", [None], "sequences at 'no_annotation'"),
        ("no_annotation", [None, None], None),
        ("no_annotation", ["imported"], "sequences at 'imported'"),
    ],
)
def test_rows_at_another_stage_prove_that_the_filter_was_ignored(stage, found, message):
    if message is None:
        check_sample_stage(found, stage)
    else:
        with pytest.raises(UnknownStage, match=message):
            check_sample_stage(found, stage)
