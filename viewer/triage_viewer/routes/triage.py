"""The split: rows of the backlog, what they come to at any threshold, and files of them."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse

from triage_viewer.backlog.answers import CameraFacet, CommandRead, RowsPage, TriageFacets, TriageSummary
from triage_viewer.backlog.counts import encode_scores, summarize, sweep_thresholds
from triage_viewer.backlog.downloads import Download, encode_csv, encode_parquet, encode_worklist
from triage_viewer.backlog.facets import describe_command, list_cameras
from triage_viewer.backlog.live import LiveBacklog, LoadedBacklog
from triage_viewer.backlog.requests import (
    CamerasWanted,
    DownloadWanted,
    PageOfRowsWanted,
    RowsWanted,
    ThresholdWanted,
)
from triage_viewer.backlog.review_news import ReviewNews
from triage_viewer.backlog.rows import take_rows
from triage_viewer.context import Working
from triage_viewer.problems import ANYWHERE, problems
from triage_viewer.requests import NO_PARAMETERS

router = APIRouter(prefix="/api/v1/triage", tags=["triage"], responses={**ANYWHERE, **problems(404, 409)})


def _live_of(request: Request) -> LiveBacklog:
    live: LiveBacklog = request.app.state.backlog
    return live


def _loaded_of(live: Annotated[LiveBacklog, Depends(_live_of)]) -> LoadedBacklog:
    return live.current()


_BINARY: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            kind: {"schema": {"type": "string", "format": "binary"}}
            for kind in ("text/csv", "application/vnd.apache.parquet", "application/json")
        }
    }
}

Live = Annotated[LiveBacklog, Depends(_live_of)]
Loaded = Annotated[LoadedBacklog, Depends(_loaded_of)]


@router.get("/facets", dependencies=NO_PARAMETERS)
def get_facets(request: Request, live: Live, loaded: Loaded) -> TriageFacets:
    """What there is to choose from, the version of the data, and what everybody must be told."""
    news: ReviewNews = request.app.state.review_news
    return loaded.facets.model_copy(update={"trouble": live.trouble, **asdict(news.since(loaded.stored))})


@router.get("/cameras")
def get_cameras(loaded: Loaded, wanted: Annotated[CamerasWanted, Query()]) -> list[CameraFacet]:
    """The cameras of one organization."""
    return list_cameras(loaded.stored.table, wanted.organization)


@router.get("/rows")
def get_rows(loaded: Loaded, wanted: Annotated[PageOfRowsWanted, Query()]) -> RowsPage:
    """One page of the selection, and how many rows it has."""
    loaded.require(wanted.version)
    chosen = wanted.at(loaded.stored.record.threshold)
    positions = loaded.selections.positions(chosen)
    rows = take_rows(loaded.stored.table, positions[wanted.offset : wanted.offset + wanted.limit], chosen.threshold)
    return RowsPage.of(
        rows,
        version=loaded.stored.version,
        threshold=chosen.threshold,
        total=len(positions),
        offset=wanted.offset,
        located_at=None if wanted.locate is None else loaded.selections.locate(chosen, wanted.locate),
    )


@router.get("/summary")
def get_summary(loaded: Loaded, wanted: Annotated[RowsWanted, Query()]) -> TriageSummary:
    """Counts of the selection by bucket and organization, its histogram, and what other thresholds would make of it."""
    loaded.require(wanted.version)
    usual = loaded.stored.record.threshold
    threshold = usual if wanted.threshold is None else wanted.threshold
    steps = sweep_thresholds(usual, threshold)
    summary = summarize(loaded.selections, wanted.as_filter(), threshold, steps)
    return TriageSummary.of(summary, version=loaded.stored.version, threshold=threshold)


@router.get("/scores", response_class=Response, responses=_BINARY)
def get_scores(loaded: Loaded, wanted: Annotated[RowsWanted, Query()]) -> Response:
    """The selection's scores, to count at any threshold without asking again; what it says of buckets is left aside.

    Bytes 0 to 3 are an unsigned little-endian integer `n`. The `n` bytes from 4 on are the head: JSON in UTF-8, filled
    up with spaces so that `4 + n` is a multiple of 8. From there to the end are little-endian float64 numbers.

    The head is `{"version": string, "is_review_only": boolean, "organizations": [...]}`; an organization is
    `{"key": string, "name": string, "first": n, "count": n, "begun": n, "labeled": n, "dropped": n}`, and with
    `disagreements` has `"lowest_first": n, "lowest_count": n` besides. Its scores are `numbers[first : first + count]`,
    ascending; `first` counts numbers, not bytes. At a threshold `t`:

    - To Review are `begun`, which somebody is annotating, and as many as its scores are at or above `t`; less, with
      `disagreements`, as many of `numbers[lowest_first : lowest_first + lowest_count]` as are at or above `t`.
    - Unlabel are the others of `count`; none where `is_review_only`, for then they are not in the selection.
    - `labeled` and `dropped` are the same at any threshold.
    """
    loaded.require(wanted.version)
    content = encode_scores(loaded.selections, wanted.as_filter(), loaded.stored.version)
    return Response(content, media_type="application/octet-stream", headers=_headers(loaded))


@router.get("/download", response_class=StreamingResponse, responses=_FILE)
def download(loaded: Loaded, wanted: Annotated[DownloadWanted, Query()]) -> StreamingResponse:
    """The whole selection as a file, made while it is sent."""
    loaded.require(wanted.version)
    chosen = wanted.at(loaded.stored.record.threshold)
    selection = Download(loaded.stored, loaded.selections.positions(chosen), chosen.threshold)
    media_type, name, content = _encode(selection, wanted)
    headers = {**_headers(loaded), "Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(content, media_type=media_type, headers=headers)


@router.get("/command")
def get_command(context: Working, loaded: Loaded, wanted: Annotated[ThresholdWanted, Query()]) -> CommandRead:
    """How to write the worklists at a threshold: nothing is written by asking."""
    return describe_command(loaded.stored.record, wanted.threshold, context.store.location)


def _encode(selection: Download, wanted: DownloadWanted) -> tuple[str, str, Iterator[bytes]]:
    """Media type, file name and content."""
    if wanted.format == "csv":
        return "text/csv; charset=utf-8", "triage.csv", encode_csv(selection)
    if wanted.format == "parquet":
        return "application/vnd.apache.parquet", "triage.parquet", encode_parquet(selection)
    bucket = wanted.bucket[0]
    content = encode_worklist(selection, is_unlabel=bucket == "unlabeled", part=wanted.described())
    return "application/json", f"{bucket}.json", content


def _headers(loaded: LoadedBacklog) -> dict[str, str]:
    return {"X-Data-Version": loaded.stored.version, "Cache-Control": "no-store"}
