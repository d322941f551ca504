"""Rows: every filter and order against the same done in plain Python, pages, and the place of a sequence."""

import unicodedata
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any, get_args

import httpx
import pytest
from triage_viewer.backlog.orders import Column

from tests.viewer.triage_stores import CAMERAS, KEYS, N, serve_store, store_split
from triage_assets.folder_store import FolderStore

ROWS = "/api/v1/triage/rows"
Row = dict[str, Any]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """One server for all of these: nothing here changes the store."""
    store = FolderStore(tmp_path_factory.mktemp("rows"))
    store_split(store)
    with serve_store(store) as client:
        yield client


@pytest.fixture(scope="module")
def everything(client: httpx.Client) -> list[Row]:
    """All rows by sequence id."""
    rows: list[Row] = ask(client, sort="sequence_id", direction="asc", limit=500)["items"]
    assert len(rows) == N
    return rows


def ask(client: httpx.Client, **wanted: Any) -> Any:
    answer = client.get(ROWS, params=wanted)
    assert answer.status_code == 200, answer.text
    return answer.json()


def folded(text: str) -> str:
    return "".join(each for each in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(each))


def has_text(*words: str) -> Callable[[Row], bool]:
    """What each word is in the names of, or begins the id of."""

    def hits(row: Row) -> bool:
        names = (folded(row["camera_name"]), folded(row["organization_name"]))
        return all(any(word in name for name in names) or str(row["sequence_id"]).startswith(word) for word in words)

    return hits


def day_of(row: Row) -> date:
    return datetime.fromisoformat(row["started_at"]).astimezone(UTC).date()


FILTERS: list[tuple[dict[str, Any], Callable[[Row], bool]]] = [
    ({}, lambda row: True),
    ({"organization": KEYS[0]}, lambda row: row["organization_key"] == KEYS[0]),  # two spellings
    ({"organization": [KEYS[1], KEYS[2]]}, lambda row: row["organization_key"] in KEYS[1:]),
    *[({"camera": name}, lambda row, name=name: row["camera_name"] == name) for name in CAMERAS],
    ({"bucket": "review"}, lambda row: row["triage_bucket"] == "review"),
    ({"bucket": ["labeled", "dropped"]}, lambda row: row["triage_bucket"] in ("labeled", "dropped")),
    ({"bucket": ["review", "unlabeled", "labeled", "dropped"]}, lambda row: True),
    (
        {"model": "2.0"},
        lambda row: row["triage_bucket"] == "review" and (row["model_scores"]["2.0"] or 0) >= 0.35,
    ),
    ({"disagreements": True}, lambda row: row["triage_bucket"] == "review" and row["models_disagree"]),
    ({"disagreements": False}, lambda row: True),
    ({"group_state": "none"}, lambda row: row["group_id"] is None),
    (
        {"group_state": ["labeled", "none"]},
        lambda row: row["group_id"] is None or row["group_label_state"] == "labeled",
    ),
    ({"group_state": "unsure"}, lambda row: row["group_label_state"] == "unsure"),
    ({"is_validated": True}, lambda row: row["group_is_validated"]),
    ({"is_validated": False}, lambda row: not row["group_is_validated"]),
    ({"started_from": "2026-06-03"}, lambda row: day_of(row) >= date(2026, 6, 3)),
    ({"started_to": "2026-06-03"}, lambda row: day_of(row) <= date(2026, 6, 3)),
    ({"started_from": "2026-06-03", "started_to": "2026-06-03"}, lambda row: day_of(row) == date(2026, 6, 3)),
    ({"started_to": "9999-12-31"}, lambda row: True),
    ({"text": "ebene"}, lambda row: row["camera_name"].startswith("Ébène")),  # without accent or case
    ({"text": "  ARDÈCHE\n brison "}, has_text("ardeche", "brison")),
    ({"text": "12"}, has_text("12")),
    ({"text": "1 2"}, has_text("1", "2")),
    ({"text": "<script>"}, has_text("<script>")),
    ({"text": "nothing-like-it"}, lambda row: False),
    ({"text": "9" * 30}, lambda row: False),
    (
        {"organization": KEYS[0], "bucket": "unlabeled", "is_validated": False, "text": "brison"},
        lambda row: (
            (row["organization_key"], row["triage_bucket"], row["group_is_validated"]) == (KEYS[0], "unlabeled", False)
            and "brison" in row["camera_name"].casefold()
        ),
    ),
]


@pytest.mark.parametrize(("wanted", "hits"), FILTERS, ids=[str(wanted) for wanted, _ in FILTERS])
def test_a_filter_keeps_what_it_names(
    client: httpx.Client, everything: list[Row], wanted: dict[str, Any], hits: Callable[[Row], bool]
) -> None:
    found = ask(client, sort="sequence_id", direction="asc", limit=500, **wanted)
    assert found["items"] == [row for row in everything if hits(row)]
    assert found["total"] == len(found["items"])


def test_a_key_finds_its_sequence(client: httpx.Client, everything: list[Row]) -> None:
    found = ask(client, text=everything[7]["key"])["items"]
    assert everything[7] in found
    assert all(row["key"].startswith(everything[7]["key"]) for row in found)


def label_of(row: Row) -> tuple[str, str] | None:
    if row["annotation_stage"] is None:
        return None
    return ", ".join([*row["smoke_types"], *row["false_positive_types"]]), row["annotation_stage"]


# As most of its sequences spell it.
NAMES = dict(zip(KEYS, ("sdis ardeche", '=hyperlink("http://evil")', "<b>\n\u202eabc"), strict=True))
BUCKETS = ("review", "unlabeled", "labeled", "dropped")
KEY_OF: dict[str, Callable[[Row], Any]] = {
    "organization_name": lambda row: NAMES[row["organization_key"]],
    "camera_name": lambda row: (folded(row["camera_name"]), row["camera_name"]),
    "model_score": lambda row: row["model_scores"]["2.0"],
    "lowest_score": lambda row: min((each for each in row["model_scores"].values() if each is not None), default=None),
    "label": label_of,
}
PLAIN = [name for name in get_args(Column) if name not in KEY_OF]


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("sort", [*PLAIN, *KEY_OF])
def test_an_order_is_by_its_column_then_by_id_with_the_unknown_last(
    client: httpx.Client, everything: list[Row], sort: str, direction: str
) -> None:
    key = KEY_OF.get(sort, lambda row: row[sort])
    known = [row for row in everything if key(row) is not None]
    unknown = [row for row in everything if key(row) is None]
    sign = 1 if direction == "asc" else -1
    ranks = {value: sign * place for place, value in enumerate(sorted({key(row) for row in known}))}
    expected = sorted(known, key=lambda row: (ranks[key(row)], row["sequence_id"])) + unknown
    named = {"sort_model": "2.0"} if sort == "model_score" else {}
    found = ask(client, sort=sort, direction=direction, limit=500, **named)["items"]
    assert [row["sequence_id"] for row in found] == [row["sequence_id"] for row in expected]


def best_first(row: Row) -> tuple[bool, float, int]:
    return row["triage_score"] is None, -(row["triage_score"] or 0), row["sequence_id"]


def is_disputed(row: Row) -> bool:
    return bool(row["triage_bucket"] == "review" and row["models_disagree"])


@pytest.mark.parametrize(
    ("sort", "direction", "leading"),
    [
        ("priority", "desc", lambda row: -is_disputed(row)),
        ("triage_bucket", "asc", lambda row: BUCKETS.index(row["triage_bucket"])),
        ("triage_bucket", "desc", lambda row: -BUCKETS.index(row["triage_bucket"])),
        ("n_models_review", "desc", lambda row: -row["n_models_review"]),
        ("n_models_review", "asc", lambda row: row["n_models_review"]),
    ],
)
@pytest.mark.parametrize("threshold", [0.2, 0.7])
def test_an_order_that_moves_with_the_threshold_has_the_best_first_within(
    client: httpx.Client, sort: str, direction: str, leading: Callable[[Row], int], threshold: float
) -> None:
    found = ask(client, sort=sort, direction=direction, threshold=threshold, limit=500)["items"]
    assert len(found) == N
    assert found == sorted(found, key=lambda row: (leading(row), *best_first(row)))


def test_pages_put_together_are_the_whole_and_say_how_much_there_is(client: httpx.Client) -> None:
    whole = ask(client, bucket="unlabeled", limit=500)
    pages = [ask(client, bucket="unlabeled", offset=offset, limit=7) for offset in range(0, whole["total"] + 7, 7)]
    assert [row for page in pages for row in page["items"]] == whole["items"]
    assert {page["total"] for page in pages} == {whole["total"]}
    assert pages[-1]["items"] == []
    beyond = ask(client, offset=2**31)
    assert (beyond["items"], beyond["total"]) == ([], N)


def test_a_sequence_is_located_in_the_selection(client: httpx.Client) -> None:
    wanted = {"bucket": "review", "sort": "camera_name"}
    rows = ask(client, limit=500, **wanted)["items"]
    assert ask(client, locate=rows[31]["sequence_id"], **wanted)["located_at"] == 31
    assert ask(client, locate=ask(client, bucket="dropped")["items"][0]["sequence_id"], **wanted)["located_at"] is None
    assert ask(client, locate=2**63 - 1)["located_at"] is None
    assert ask(client)["located_at"] is None


def test_names_come_as_they_are(client: httpx.Client) -> None:
    facets = client.get("/api/v1/triage/facets").json()
    assert sorted(each["key"] for each in facets["organizations"]) == sorted(KEYS)
    assert "<b>\n\u202eabc" in [each["name"] for each in facets["organizations"]]
    cameras = client.get("/api/v1/triage/cameras", params={"organization": KEYS[0]}).json()
    assert sorted(each["name"] for each in cameras) == sorted(CAMERAS)
    whole = sum(each["sequences"] for each in facets["organizations"])
    assert whole == facets["sequences"] == N
    own = next(each for each in facets["organizations"] if each["key"] == KEYS[0])
    assert sum(each["sequences"] for each in cameras) == own["sequences"]


def test_facets_say_what_the_worklists_were_made_with(client: httpx.Client) -> None:
    facets = client.get("/api/v1/triage/facets").json()
    assert [model["name"] for model in facets["models"]] == ["1.0", "2.0"]
    assert [model["predictions"] for model in facets["models"]] == ["1.0-aaaaaaaa", "2.0-bbbbbbbb"]
    assert (facets["threshold"], facets["has_groups"], facets["trouble"]) == (0.35, True, None)
    assert set(facets["dropped_reasons"]) == {"no_images", "predict_failed", "incomplete"}
    assert facets["first_started_at"] < facets["last_started_at"]
