"""A listing is complete and exact although the backlog changes while it is read."""

from datetime import UTC, datetime, timedelta

import pytest

from triage_assets.annotator.listing import PAGE_SIZE, list_spelling, parse_since
from triage_assets.annotator.parse import Page
from triage_assets.annotator.pull import pull_sequences
from triage_assets.annotator.records import Organization
from triage_assets.demo.faults import Faults
from triage_assets.errors import SettingsError, UnknownOrganization, UnknownStage
from triage_assets.folder_store import FolderStore
from triage_assets.progress import no_progress

from .servers import LOGIN, open_client, say

ORGANIZATION = Organization(1, "A")
START = datetime(2026, 1, 1, tzinfo=UTC)


def item(number, **changes):
    moment = (START + timedelta(minutes=number)).isoformat()
    return {
        "id": number,
        "organisation_id": 1,
        "organisation_name": "A",
        "recorded_at": moment,
        "last_seen_at": moment,
    } | changes


class Moving:
    """A backlog whose pages are cut from ``before(walk, page)``, a list of items, at the moment they are asked for."""

    def __init__(self, before):
        self.before = before
        self.walk = 0
        self.asked = []

    def __call__(self, numbers):
        pages = []
        for number in numbers:
            self.walk += number == 1
            self.asked.append(number)
            items = self.before(self.walk, number)
            pages.append(Page(tuple(items[(number - 1) * PAGE_SIZE : number * PAGE_SIZE]), len(items)))
        return pages


def listed(fetch, **options):
    settings = {"limit": None, "since": None, "pages_at_once": 4, "progress": no_progress} | options
    return list_spelling(fetch, ORGANIZATION, **settings)


def ids(listing):
    return [row.id for row in listing.rows]


def test_a_backlog_that_stands_still_is_walked_once():
    fetch = Moving(lambda walk, page: [item(n) for n in range(1, 998)])
    listing = listed(fetch)
    assert ids(listing) == list(range(1, 998))
    assert (listing.n_total, listing.shortfall, fetch.walk, len(fetch.asked)) == (997, 0, 1, 10)


def test_an_empty_backlog_is_empty():
    listing = listed(Moving(lambda *_: []))
    assert (listing.rows, listing.n_total, listing.shortfall) == ((), 0, 0)


def test_ties_that_swap_places_between_pages_are_all_found():
    def swapped(walk, page):
        # On the first walk, 20 rows move from the third page to the first one after that was read: they are never
        # seen, and 20 others come twice, while the total stands still.
        rows = [item(n) for n in range(997)]
        if walk == 1 and page > 1:
            rows = rows[200:220] + rows[:200] + rows[220:]
        return rows

    fetch = Moving(swapped)
    listing = listed(fetch, pages_at_once=1)
    assert ids(listing) == list(range(997))
    assert fetch.walk == 2


def test_ties_that_never_rest_are_found_together():
    def shuffled(walk, page):
        # Every walk misses other rows.
        rows = [item(n) for n in range(500)]
        start = 37 * walk
        return rows[start:] + rows[:start] if page > 1 else rows

    listing = listed(Moving(shuffled), pages_at_once=1)
    assert ids(listing) == list(range(500))
    assert listing.shortfall == 0


def test_a_row_that_left_while_listing_is_not_in_the_result_and_none_is_missed():
    def leaving(walk, page):
        return [item(n) for n in range(350) if not (n == 5 and (walk > 1 or page > 1))]

    fetch = Moving(leaving)
    listing = listed(fetch, pages_at_once=1)
    assert ids(listing) == [n for n in range(350) if n != 5]
    assert fetch.walk == 2


def test_rows_that_keep_leaving_are_dropped_by_the_newest_evidence():
    # One of the oldest rows leaves after every first page, so no walk ever agrees.
    gone = []

    def draining(walk, page):
        if page == 2 and len(gone) < walk:
            gone.append(walk)
        return [item(n) for n in range(1, 300) if n not in gone]

    listing = listed(Moving(draining), pages_at_once=1)
    assert len(gone) == 5
    assert not set(ids(listing)) & {1, 2, 3}
    assert set(range(6, 300)) <= set(ids(listing))


def test_rows_that_never_show_are_reported_as_a_shortfall():
    def short(walk, page):
        return [item(n) for n in range(150)]

    class Wrong(Moving):
        def __call__(self, numbers):
            return [Page(page.items, 153) for page in super().__call__(numbers)]

    fetch = Wrong(short)
    listing = listed(fetch)
    assert (len(listing.rows), listing.n_total, listing.shortfall, fetch.walk) == (150, 153, 3, 5)


def test_rejected_rows_are_counted_and_are_no_shortfall():
    rows = [item(1), item(2, lat=float("nan")), item(3, recorded_at=None), item(5, id=None), {"id": None}, item(4)]
    listing = listed(Moving(lambda *_: rows))
    assert ids(listing) == [1, 2, 4]
    assert sum(listing.rejected.values()) == 3
    assert (listing.shortfall, sum(listing.altered.values())) == (0, 1)


def test_rows_of_another_organization_of_the_same_name_are_left_out():
    rows = [item(1), item(2, organisation_id=9), item(3, organisation_name="a"), item(4, organisation_name="B")]
    listing = listed(Moving(lambda *_: rows))
    assert ids(listing) == [1, 3]  # "a" slugs like "A"
    assert (listing.n_total, listing.shortfall) == (2, 0)


def test_a_limit_gives_the_oldest_rows_and_reads_no_further_pages():
    fetch = Moving(lambda *_: [item(n) for n in range(950)])
    listing = listed(fetch, limit=120)
    assert ids(listing) == list(range(120))
    assert (fetch.asked, listing.n_total) == ([1, 2], 950)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-06-01", datetime(2026, 6, 1, tzinfo=UTC)),
        ("2026-06-01T10:00:00", datetime(2026, 6, 1, 10, tzinfo=UTC)),  # UTC where no zone is named
        ("2026-06-01T10:00:00+02:00", datetime(2026, 6, 1, 8, tzinfo=UTC)),
        (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC)),
        (None, None),
    ],
)
def test_since_is_read_as_utc(text, moment):
    assert parse_since(text) == moment


@pytest.mark.parametrize("text", ["last week", "0001-01-01T00:00:00+14:00"])  # the latter is before the first day
def test_since_that_is_no_time_is_refused(text):
    with pytest.raises(SettingsError, match="2026-06-01"):
        parse_since(text)


@pytest.mark.parametrize("version", ["newer", "older"])
def test_a_served_backlog_is_listed_whole_from_both_versions(serve, connect, version):
    server = serve(130, version=version)
    client = connect(server)
    found = []
    for organization in client.list_organizations():
        listing = client.list_sequences([organization])
        assert (listing.shortfall, listing.n_total) == (0, len(listing.rows))
        assert {row.organization_id for row in listing.rows} == {organization.id}
        found += ids(listing)
    assert sorted(found) == list(server.backlog.ready_ids())


@pytest.mark.parametrize(
    "faults",
    [
        {"reorder_ties": 1},  # rows swap places once
        {"drift_inserts": 2},  # rows arrive while pages are read
        {"drift_leaves": 2},  # rows leave while pages are read
        {"drift_inserts": 3, "drift_leaves": 3, "reorder_ties": 3},
        {"error_rate": 0.2, "truncate_rate": 0.1, "throttle_rate": 0.1},
    ],
    ids=["ties", "inserts", "leaves", "all", "errors"],
)
def test_a_served_backlog_that_moves_is_listed_exactly(serve, connect, faults):
    server = serve(1500, faults=Faults(**faults))
    server.backlog.tie_times(server.backlog.ready_ids())
    client = connect(server)
    organization = max(client.list_organizations(), key=lambda each: len(server.backlog.ready_ids(each)))
    listing = client.list_sequences([organization])
    assert sorted(ids(listing)) == list(server.backlog.ready_ids(organization))
    assert listing.shortfall == 0


@pytest.mark.parametrize("stage", ["annotated", "seq_annotation_done", "no_annotation"])
def test_every_stage_that_the_server_filters_by_can_be_listed(serve, connect, stage):
    server = serve(60)
    client = connect(server)
    found = [
        row
        for organization in client.list_organizations()
        for row in client.list_sequences([organization], stage=stage).rows
    ]
    assert sorted(row.id for row in found) == [one.id for one in server.backlog.sequences if one.stage == stage]
    assert found


def test_an_unknown_stage_is_refused_before_anything_is_sent(serve, connect):
    server = serve()
    client = connect(server)
    with pytest.raises(UnknownStage, match=r"'bogus'; expected imported \| ready_to_annotate"):
        client.list_sequences([ORGANIZATION], stage="bogus")
    with pytest.raises(UnknownStage):
        client.count_sequences(ORGANIZATION, "bogus")
    assert sum(server.counts.values()) == 0


def test_a_stage_that_this_server_ignores_is_refused_before_listing(serve, connect):
    client = connect(serve(version="newer"))
    organization = client.list_organizations()[0]
    with pytest.raises(UnknownStage, match="'in_review'"):
        client.list_sequences([organization], stage="in_review")


def test_a_filter_that_is_ignored_is_noticed_in_the_rows_themselves(scripted):
    def answer(method, path, n):
        if method == "POST":
            return LOGIN
        annotated = item(1, annotation={"processing_stage": "annotated"})
        return say({"items": [annotated if "include_annotation" in path else item(1)], "total": 1})

    server = scripted(answer)
    with open_client(server.url) as client, pytest.raises(UnknownStage, match="sequences at 'annotated'"):
        client.list_sequences([ORGANIZATION])


def test_one_request_tells_whether_a_backlog_changed(serve, connect):
    server = serve(40)
    client = connect(server)
    organization = client.list_organizations()[0]
    client.count_sequences(organization)
    before = sum(server.counts.values())
    first = client.count_sequences(organization)
    assert sum(server.counts.values()) == before + 1
    assert first.n_total == len(server.backlog.ready_ids(organization))
    assert first == client.count_sequences(organization)
    newest = max(server.backlog.ready_ids(organization))
    server.backlog.remove_sequence(newest)
    second = client.count_sequences(organization)
    assert second.n_total == first.n_total - 1
    assert second.fingerprint() != first.fingerprint()


def test_a_key_that_the_annotator_does_not_have_names_those_it_has(serve, connect, tmp_path):
    client = connect(serve())
    with pytest.raises(UnknownOrganization, match="sdis-77-102"):
        pull_sequences(client, FolderStore(tmp_path), "atlantis-7")


def test_organizations_that_cannot_be_used_are_warned_about(scripted, caplog):
    listed = [{"id": 1, "name": "A"}, {"id": None, "name": "B"}, {"id": None, "name": "C"}, {"id": 3}]
    server = scripted(lambda method, *_: LOGIN if method == "POST" else say(listed))
    with open_client(server.url) as client:
        assert client.list_organizations() == (ORGANIZATION,)
    warned = [record.getMessage() for record in caplog.records if record.name == "triage_assets.annotator.client"]
    assert [text.partition(". ")[0] for text in warned] == [
        "The annotator lists 2 organizations that cannot be used: id: Input should be a valid integer",
        "The annotator lists 1 organizations that cannot be used: name: Field required",
    ]
