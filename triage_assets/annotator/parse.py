"""The annotator's answers turned into records, row by row, so that one bad row loses nothing but itself.

What lives here: pydantic models of what both server versions send, and what is forgiven: a bad optional value becomes
None and is counted, a row without a usable id, time or organization is rejected and counted. What does not: requests.
"""

import hashlib
import json
import math
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from triage_assets.annotator.records import Box, Detection, Organization, SequenceRow
from triage_assets.errors import UnexpectedAnswer

# Why values or rows were not taken as they came, with how often; read "field: reason".
Reasons = Counter[str]


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a listing; ``items`` are as the server sent them."""

    items: tuple[object, ...]
    total: int


@dataclass(frozen=True, slots=True)
class ListedRow:
    """One listed item. ``identity`` tells items apart also where the id is unusable; ``row`` is None if rejected."""

    identity: int | str
    row: SequenceRow | None
    rejected: str | None = None


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:  # the first or the last day there is, in a zone where it is already another one
        raise ValueError("beyond the calendar in UTC") from None


def _text_only(value: object) -> object:
    # pydantic would also read numbers, as seconds since 1970.
    if not isinstance(value, str):
        raise ValueError("not a text")
    return value


def _storable(text: str, info: ValidationInfo) -> str:
    # JSON can smuggle in half a surrogate pair, which no file can hold.
    if not _is_storable(text):
        raise ValueError("not valid Unicode")
    return _without_nul(text, info.field_name, info.context)


def _without_nul(text: str, field: str | None, altered: Reasons | None) -> str:
    """The text with U+FFFD for U+0000, which PostgreSQL takes in no text."""
    if "\0" not in text:
        return text
    if altered is not None:
        altered[f"{field}: U+0000 replaced"] += 1
    return text.replace("\0", "\ufffd")


def _none_if_bad(value: object, validate: ValidatorFunctionWrapHandler, info: ValidationInfo) -> object:
    try:
        return validate(value)
    except ValidationError as error:
        assert isinstance(info.context, Counter)
        info.context[f"{info.field_name}: {error.errors(include_input=False, include_url=False)[0]['msg']}"] += 1
        return None


_forgiving = WrapValidator(_none_if_bad)
_Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_Id = Annotated[int, Field(ge=0, lt=2**63)]
_Moment = Annotated[datetime, BeforeValidator(_text_only), AfterValidator(_in_utc)]
_SomeWhole = Annotated[_Whole | None, _forgiving]
_SomeNumber = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, _forgiving]
_Text = Annotated[str, AfterValidator(_storable)]
_SomeText = Annotated[_Text | None, _forgiving]
_SomeMoment = Annotated[_Moment | None, _forgiving]
_SomeTruth = Annotated[bool | None, _forgiving]


class _SequenceItem(BaseModel):
    id: _Id
    organisation_id: _Id
    organisation_name: _Text
    recorded_at: _Moment
    last_seen_at: _SomeMoment = None
    created_at: _SomeMoment = None
    camera_id: _SomeWhole = None
    camera_name: _SomeText = None
    azimuth: _SomeWhole = None
    lat: _SomeNumber = None
    lon: _SomeNumber = None
    source_api: _SomeText = None
    alert_api_id: _SomeWhole = None
    is_wildfire_alertapi: _SomeText = None
    sequence_group_id: _SomeWhole = None
    platform_alert_id: _SomeWhole = None
    temporal_model_score: _SomeNumber = None
    temporal_model_version: _SomeText = None
    temporal_api_version: _SomeText = None
    is_manual: _SomeTruth = None


class _DetectionItem(BaseModel):
    id: _Id
    sequence_id: _Id
    recorded_at: _Moment
    bucket_key: _SomeText = None
    algo_predictions: Any = None
    others_bboxes: Any = None


class _OrganizationItem(BaseModel):
    id: _Id
    name: _Text


def parse_page(answer: object, what: str) -> Page:
    """The envelope of a listing. Raises `UnexpectedAnswer` where it is none."""
    if isinstance(answer, dict):
        items, total = answer.get("items"), answer.get("total")
        if isinstance(items, list) and isinstance(total, int) and total >= 0:
            return Page(tuple(items), total)
    found = f"the fields {sorted(map(str, answer))[:8]}" if isinstance(answer, dict) else type(answer).__name__
    raise UnexpectedAnswer(f"The answer to {what} is no page", found=found, expected="items and total")


def parse_sequence(item: object, altered: Reasons) -> ListedRow:
    """One listed sequence; what was forgiven is counted in ``altered``."""
    try:
        parsed = _SequenceItem.model_validate(item, context=altered)
    except ValidationError as error:
        return ListedRow(identity_of(item), None, _first_fault(error))
    if parsed.last_seen_at is None:
        altered["last_seen_at: missing, recorded_at taken"] += 1
    row = SequenceRow(
        id=parsed.id,
        organization_id=parsed.organisation_id,
        organization_name=parsed.organisation_name,
        camera_id=parsed.camera_id,
        camera_name=parsed.camera_name or "",
        azimuth=parsed.azimuth,
        recorded_at=parsed.recorded_at,
        last_seen_at=parsed.last_seen_at or parsed.recorded_at,
        created_at=parsed.created_at,
        lat=parsed.lat,
        lon=parsed.lon,
        source_api=parsed.source_api,
        alert_api_id=parsed.alert_api_id,
        is_wildfire_alertapi=parsed.is_wildfire_alertapi,
        annotator_group_id=parsed.sequence_group_id,
        platform_alert_id=parsed.platform_alert_id,
        temporal_model_score=parsed.temporal_model_score,
        temporal_model_version=parsed.temporal_model_version,
        temporal_api_version=parsed.temporal_api_version,
        is_manual=parsed.is_manual,
    )
    return ListedRow(parsed.id, row)


def identity_of(item: object) -> int | str:
    """What tells an item apart from others: its id, or, where that is no number, all of its content."""
    identity = item.get("id") if isinstance(item, dict) else None
    if isinstance(identity, int):
        return identity
    try:
        return hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()
    except RecursionError:
        return "nested too deeply"


def stage_of(item: object) -> str | None:
    """The stage of a sequence listed with its annotation; None where it has no annotation."""
    annotation = item.get("annotation") if isinstance(item, dict) else None
    stage = annotation.get("processing_stage") if isinstance(annotation, dict) else None
    return stage if isinstance(stage, str) else None


def parse_organizations(answer: object, rejected: Reasons) -> tuple[Organization, ...]:
    """Every spelling of every organization, ordered by (id, name). Raises `UnexpectedAnswer`."""
    if not isinstance(answer, list):
        raise UnexpectedAnswer(
            "The list of organizations is no list", found=type(answer).__name__, expected="a list of id and name"
        )
    found = set()
    for item in answer:
        try:
            parsed = _OrganizationItem.model_validate(item)
            found.add(Organization(parsed.id, parsed.name))
        except ValidationError as error:
            rejected[_first_fault(error)] += 1
    return tuple(sorted(found, key=lambda organization: (organization.id, organization.name)))


def parse_detection(item: object, altered: Reasons, rejected: Reasons) -> Detection | None:
    """One detection, or None, counted in ``rejected``, where its id, sequence or time is unusable.

    What was forgiven is counted in ``altered``, also for a detection that is rejected in the end.
    """
    try:
        parsed = _DetectionItem.model_validate(item, context=altered)
    except ValidationError as error:
        rejected[_first_fault(error)] += 1
        return None
    return Detection(
        id=parsed.id,
        sequence_id=parsed.sequence_id,
        recorded_at=parsed.recorded_at,
        bucket_key=parsed.bucket_key or "",
        boxes=_parse_boxes(parsed.algo_predictions, "algo_predictions", altered),
        other_boxes=_parse_boxes(parsed.others_bboxes, "others_bboxes", altered),
    )


def _parse_boxes(value: object, field: str, altered: Reasons) -> tuple[Box, ...]:
    if value is None:
        return ()
    predictions = value.get("predictions") if isinstance(value, dict) else None
    if not isinstance(predictions, list):
        altered[f"{field}: no list of predictions"] += 1
        return ()
    boxes = []
    for prediction in predictions:
        box = _parse_box(prediction, field, altered)
        if isinstance(box, str):
            altered[f"{field}: {box}"] += 1
        else:
            boxes.append(box)
    return tuple(boxes)


def _parse_box(prediction: object, field: str, altered: Reasons) -> Box | str:
    """The box, or why it is none."""
    if not isinstance(prediction, dict):
        return "a prediction is no object"
    corners, confidence, name = prediction.get("xyxyn"), prediction.get("confidence"), prediction.get("class_name")
    numbers = [_finite(corner) for corner in corners] if isinstance(corners, list) else []
    corner_values = [number for number in numbers if number is not None]
    if not len(numbers) == len(corner_values) == 4:
        return "a box is not four finite numbers"
    sureness = _finite(confidence)
    if sureness is None:
        return "a box has no finite confidence"
    if not (isinstance(name, str) and _is_storable(name)):
        return "a box has no class name"
    x1, y1, x2, y2 = corner_values
    return Box(x1, y1, x2, y2, sureness, _without_nul(name, f"{field}: class_name", altered))


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:  # an integer beyond every float
        return None


def _is_storable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_input=False, include_url=False, include_context=False)[0]
    place = ".".join(map(str, fault["loc"]))
    return f"{place}: {fault['msg']}" if place else fault["msg"]
