"""Pictures are reproducible, show what the scene says, and are rendered once."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from triage_assets.demo.backlog import DemoBacklog, Picture
from triage_assets.demo.pictures import PictureCache, default_cache_folder
from triage_assets.demo.render import paint_frame, render_frame
from triage_assets.demo.scenes import Kind, build_scene
from triage_assets.images import inspect_image

from .conftest import TINY

SMALL = (320, 180)


def find(backlog: DemoBacklog, kind: Kind) -> int:
    return next(row.id for row in backlog.sequences if backlog.subject(row.id).kind == kind)


def test_a_frame_has_the_same_bytes_every_time_and_whatever_else_exists() -> None:
    one, other = DemoBacklog(5), DemoBacklog(500)
    for sequence_id in (1, 3, 5):
        render_frame(0, other.scene(sequence_id + 1), 0.0, SMALL)
        assert render_frame(0, one.scene(sequence_id), 60.0, SMALL) == render_frame(
            0, other.scene(sequence_id), 60.0, SMALL
        )


def test_another_process_renders_the_same_bytes() -> None:
    code = (
        "import hashlib; from triage_assets.demo.backlog import DemoBacklog; from triage_assets.demo.render import *\n"
        "frame = render_frame(0, DemoBacklog(3).scene(3), 90.0, (320, 180)); print(hashlib.sha256(frame).hexdigest())"
    )
    path = os.pathsep.join(sys.path)
    elsewhere = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    here = render_frame(0, DemoBacklog(3).scene(3), 90.0, SMALL)
    assert elsewhere == hashlib.sha256(here).hexdigest()


def test_frames_of_a_sequence_differ() -> None:
    scene = DemoBacklog(1).scene(1)
    assert len({render_frame(0, scene, 30.0 * frame, TINY) for frame in range(6)}) == 6


@pytest.mark.parametrize("size", [(1280, 720), (160, 90), (64, 36), (33, 17)])
def test_every_size_is_a_whole_jpeg(size: tuple[int, int]) -> None:
    found = inspect_image(render_frame(0, DemoBacklog(1).scene(1), 0.0, size))
    assert (found.width_px, found.height_px) == size


def test_every_kind_of_thing_can_be_painted() -> None:
    backlog = DemoBacklog(400)
    kinds = {backlog.subject(row.id).kind: row.id for row in backlog.sequences}
    assert len(kinds) == 10
    for sequence_id in kinds.values():
        for frame in (0, 29):
            picture = paint_frame(0, backlog.scene(sequence_id), 30.0 * frame, TINY)
            assert picture.std() > 5.0


@pytest.mark.parametrize("kind", ["wildfire", "high_cloud", "light", "antenna", "lens_droplet"])
def test_the_subject_is_visible_where_the_scene_says(kind: Kind) -> None:
    backlog = DemoBacklog(400)
    scene = backlog.scene(find(backlog, kind))
    without = type(scene)(
        scene.view,
        scene.weather,
        tuple(one for one in scene.things if one is not scene.subject),
        scene.subject,
        scene.key,
    )
    seconds = 300.0
    change = np.abs(
        paint_frame(0, scene, seconds, SMALL).astype(float) - paint_frame(0, without, seconds, SMALL).astype(float)
    ).mean(axis=2)
    extent = scene.subject.extent(seconds)
    rows = slice(max(0, int(extent.y1 * 180)), int(np.ceil(extent.y2 * 180)))
    columns = slice(max(0, int(extent.x1 * 320)), int(np.ceil(extent.x2 * 320)))
    inside = change[rows, columns]
    assert inside.max() > 15.0
    assert inside.sum() > 0.6 * change.sum()


def test_a_wildfire_grows_and_a_mast_does_not() -> None:
    backlog = DemoBacklog(400)
    fire, mast = backlog.subject(find(backlog, "wildfire")), backlog.subject(find(backlog, "antenna"))
    heights = [fire.extent(seconds).y2 - fire.extent(seconds).y1 for seconds in (0.0, 120.0, 600.0)]
    assert heights == sorted(set(heights))
    assert mast.extent(0.0) == mast.extent(600.0)


def test_a_view_keeps_its_recurring_things() -> None:
    backlog = DemoBacklog(300)
    places: dict[str, set[tuple[float, float]]] = {}
    for row in backlog.sequences:
        for thing in backlog.scene(row.id).things:
            if thing.kind in ("antenna", "building"):
                places.setdefault(thing.id, set()).add((thing.x, thing.y))
    assert len(places) > 5
    assert {len(where) for where in places.values()} == {1}


def test_pictures_are_read_back_from_the_folder(tmp_path: Path) -> None:
    backlog = DemoBacklog(3, image_size=TINY)
    cache = PictureCache(backlog, tmp_path / "cache")
    cache.open()
    data = cache.fetch(Picture(1, 0))
    (kept,) = (tmp_path / "cache").iterdir()
    assert kept.read_bytes() == data
    kept.write_bytes(b"as kept")
    again = PictureCache(backlog, tmp_path / "cache")
    again.open()
    assert again.remembered(Picture(1, 0)) is None
    assert again.fetch(Picture(1, 0)) == b"as kept"
    assert again.remembered(Picture(1, 0)) == b"as kept"


def test_memory_and_disk_are_bounded(tmp_path: Path) -> None:
    backlog = DemoBacklog(3, image_size=TINY)
    first = render_frame(0, backlog.scene(1), 0.0, TINY)
    cache = PictureCache(backlog, tmp_path, memory_bytes=3 * len(first), disk_bytes=4 * len(first))
    cache.open()
    for frame in range(12):
        cache.fetch(Picture(1, frame))
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 4 * len(first)
    held = [cache.remembered(Picture(1, frame)) for frame in range(12)]
    assert held[0] is None
    assert held[11] is not None
    assert sum(len(data) for data in held if data) <= 3 * len(first)


def test_an_unwritable_folder_costs_nothing_but_time(tmp_path: Path) -> None:
    backlog = DemoBacklog(3, image_size=TINY)
    cache = PictureCache(backlog, tmp_path / "cache")
    cache.open()
    (tmp_path / "cache").rmdir()
    assert cache.fetch(Picture(1, 0)) == render_frame(0, backlog.scene(1), 0.0, TINY)


def test_folders_are_told_apart_by_seed_and_size() -> None:
    folders = {
        default_cache_folder(DemoBacklog(1, seed=seed, image_size=size)) for seed in (0, 1) for size in (TINY, SMALL)
    }
    assert len(folders) == 4


def test_scenes_depend_on_their_own_name_only() -> None:
    backlog = DemoBacklog(10)
    row = backlog.sequence(5)
    assert row is not None
    assert build_scene(0, row.view, 5) == backlog.scene(5)
