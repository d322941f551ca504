"""The asset `sequence_groups`: what recurs at one camera angle, in the review database and as a snapshot of it."""

from typing import TYPE_CHECKING

import dagster as dg
from pydantic import Field

from triage_assets.defs.abandoned_runs import POOL
from triage_assets.defs.following import FOLLOWED, look_upstream
from triage_assets.defs.metadata import Scalar, size_chart, table
from triage_assets.defs.raw_sequences import raw_sequences
from triage_assets.defs.resources import ReviewResource, StoreResource
from triage_assets.groups.records import FOLDER, INVARIANTS
from triage_assets.settings import load_settings

if TYPE_CHECKING:
    from triage_assets.groups.records import AssignmentReport
    from triage_assets.groups.summary import GroupsSummary

_WAIT_SECONDS = 10
_WAITS = 30
_CAMERAS_SHOWN = 50


class SequenceGroupsConfig(dg.Config):
    """When a sequence joins a group, and what that means."""

    joining: str | None = Field(
        None,
        description="`inherit`: who joins a labelled group gets its label; `freeze`: a validated group takes nobody, "
        "and nothing is labelled. Where empty: TRIAGE_JOINING, inherit.",
    )
    iou_threshold: float | None = Field(
        None,
        ge=0.0,
        lt=1.0,
        description="A sequence joins the group whose region overlaps its box by more than this (IoU): docs/groups.md. "
        "Where empty: TRIAGE_IOU_THRESHOLD, 0.3.",
    )


@dg.asset(
    deps=[raw_sequences],
    kinds={"python", "sql", "parquet"},
    pool=POOL,
    check_specs=[dg.AssetCheckSpec(name, asset="sequence_groups") for name in INVARIANTS],
)
def sequence_groups(
    context: dg.AssetExecutionContext, config: SequenceGroupsConfig, review: ReviewResource, store: StoreResource
) -> dg.MaterializeResult:
    """Groups of sequences that show the same thing, with what people decided, as files beside the database."""
    from triage_assets.grouping import regroup, write_snapshot
    from triage_assets.groups.summary import check_snapshot, summarize

    followed = look_upstream(context.instance, "sequence_groups", decisions=review.last_decision())
    target = store.open()
    settings = load_settings(triage_joining=config.joining, triage_iou_threshold=config.iou_threshold)
    with review.open() as database:
        report = regroup(target, database, settings.triage_joining, settings.triage_iou_threshold)
        if report.already_running:  # from a page: what it writes belongs into the snapshot
            raise dg.RetryRequested(max_retries=_WAITS, seconds_to_wait=_WAIT_SECONDS)
        written = write_snapshot(target, database)
    context.log.info(
        f"{report.new_groups} new groups, {report.joined_existing} sequences joined one, "
        f"{report.skipped_no_bbox} cannot be grouped"
    )
    return dg.MaterializeResult(
        data_version=dg.DataVersion(written.data_version),
        metadata={
            **_describe(summarize(written.snapshot)),
            **_describe_run(report),
            "path": f"{target.location}/{FOLDER}",
            FOLLOWED: dg.MetadataValue.json(followed),
        },
        check_results=[
            dg.AssetCheckResult(check_name=promise.name, passed=promise.holds, description=promise.found)
            for promise in check_snapshot(written.snapshot)
        ],
    )


def _describe(groups: "GroupsSummary") -> dict[str, dg.MetadataValue | int | float]:
    shown: list[dict[str, Scalar]] = [
        {
            "camera": camera.camera_name,
            "groups": camera.n_groups,
            "sequences": camera.n_sequences,
            "clicks saved": camera.n_clicks_saved,
            "clicks saved %": round(100 * camera.share_saved, 1),
        }
        for camera in groups.cameras[:_CAMERAS_SHOWN]
    ]
    return {
        "sequences": groups.n_sequences,
        "groups": groups.n_groups,
        "groups_of_two_or_more": groups.n_recurring,
        "labeled": groups.n_labeled,
        "unsure": groups.n_unsure,
        "unlabeled": groups.n_unlabeled,
        "validated": groups.n_validated,
        "clicks_saved": groups.n_clicks_saved,
        "clicks_saved_percent": round(100 * groups.share_saved, 1),
        "sizes": size_chart(groups.sizes),
        "cameras": len(groups.cameras),
        "cameras_with_most_clicks_saved": table(shown),
    }


def _describe_run(report: "AssignmentReport") -> dict[str, dg.MetadataValue | int]:
    return {
        "processed": report.processed,
        "new_groups": report.new_groups,
        "joined_existing": report.joined_existing,
        "inherited_annotations": report.inherited_annotations,
        "skipped_no_bbox": report.skipped_no_bbox,
        "skipped": table({"reason": str(why), "sequences": count} for why, count in report.skipped.items() if count),
    }
