"""A run against an annotator that misbehaves: passing faults lose nothing, lasting ones cost only what they touch."""

import pytest

from triage_assets.demo.faults import Faults, Misbehaviour
from triage_assets.shards.verify import verify_shards

from .readings import read_frames, read_lists, read_results

pytestmark = pytest.mark.usefixtures("impatient")


def all_frames(workplace) -> dict[int, set[int]]:
    backlog = workplace.server.backlog
    return {which: {frame.id for frame in backlog.detections(which)} for which in backlog.ready_ids()}


def test_with_every_passing_fault_at_once_every_frame_arrives(make_workplace) -> None:
    faults = Faults(
        seed=5, error_rate=0.2, truncate_rate=0.05, hang_rate=0.01, throttle_rate=0.02, retry_after_seconds=0.1,
        unauthorized_after=40, most_in_a_row=100,
    )  # fmt: skip
    workplace = make_workplace(sequences=10, faults=faults)
    workplace.triage("run")
    assert {which: set(frames) for which, frames in read_frames(workplace.store).items()} == all_frames(workplace)
    assert {row["n_frames_unusable"] for row in read_results(workplace.store).values()} == {0}
    assert read_lists(workplace.store)["dropped"] == set()
    assert faults.unauthorized_after is None, "the token was lost in the middle"
    assert workplace.server.refused_writes == workplace.server.leaked_tokens == []
    assert verify_shards(workplace.store).faults == ()


def test_frames_that_are_gone_or_no_images_cost_only_themselves(make_workplace) -> None:
    workplace = make_workplace(sequences=14)
    backlog, faults = workplace.server.backlog, workplace.server.faults
    long = [which for which in backlog.ready_ids() if len(backlog.detections(which)) >= 3]
    spoiled = {which: backlog.detections(which)[1].id for which in long[:6]}
    a, b, c, d, e, f = spoiled.values()
    faults.url_missing.add(a)
    faults.image_missing.add(b)
    faults.content.update({c: "empty", d: "truncated", e: "text", f: "png"})
    nothing_left = next(which for which in backlog.ready_ids() if which not in spoiled)
    faults.image_missing.update(frame.id for frame in backlog.detections(nothing_left))

    workplace.triage("run")

    held = read_frames(workplace.store)
    assert {which: set(frames) for which, frames in held.items()} == all_frames(workplace)
    reasons = {which: {frame: why for frame, why in frames.items() if why} for which, frames in held.items()}
    for which, frame in list(spoiled.items())[:5]:
        assert set(reasons[which]) == {frame}
        assert reasons[which][frame]
    assert reasons[long[5]] == {}, "a PNG under a .jpg name is a readable image"
    results = read_results(workplace.store)
    for which, row in results.items():
        if which != nothing_left:
            assert row["n_frames_unusable"] == len(reasons[which])
            assert row["triage_score"] is not None
    assert read_lists(workplace.store)["dropped"] == {nothing_left}
    assert results[nothing_left]["dropped_reason"] == "no_images"
    assert results[nothing_left]["triage_score"] is None

    images = workplace.server.counts["image"] + workplace.server.counts["url"]
    second = workplace.triage("run")
    assert "0 frames downloaded, 0 sequences scored" in second.output
    assert workplace.server.counts["image"] + workplace.server.counts["url"] == images, (
        "what is gone is not asked again"
    )


def test_a_frame_that_fails_for_now_leaves_its_sequence_for_the_next_run(make_workplace) -> None:
    stuck_path = ""

    class OneStuckPath(Faults):
        def pick(self, path: str) -> Misbehaviour | None:
            return "error" if stuck_path and stuck_path in path else None

    workplace = make_workplace(sequences=6, faults=OneStuckPath())
    backlog = workplace.server.backlog
    stuck = backlog.ready_ids()[2]
    stuck_path = f"/detections/{backlog.detections(stuck)[0].id}/url"

    first = workplace.triage("run")
    assert read_lists(workplace.store)["dropped"] == {stuck}
    assert read_results(workplace.store)[stuck]["dropped_reason"] == "incomplete"
    assert stuck not in read_frames(workplace.store)
    assert "1 sequences incomplete" in first.output
    assert "Nothing was left" not in first.output
    assert "5 sequences scored" in first.output

    stuck_path = ""
    second = workplace.triage("run")
    assert "1 sequences scored in " in second.output
    assert ", 5 reused" in second.output
    assert set.union(*read_lists(workplace.store).values()) == workplace.backlog_ids()
    assert read_lists(workplace.store)["dropped"] == set()
