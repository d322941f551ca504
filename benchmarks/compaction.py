"""Three years of daily runs of thirty organizations: how many shards there are, and how often a byte is written.

Run it as `python -m benchmarks.compaction [--real-days 120] [--folder FOLDER]`. The simulation drives the real policy
on sizes alone; then the real packing and merging does a shorter time, in a folder.
"""

import argparse
import math
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path

from benchmarks.shards import FRAMES_PER_SEQUENCE, KEY, answer, make_backlog, make_frames
from triage_assets.folder_store import FolderStore
from triage_assets.progress import no_progress
from triage_assets.shards.catalog import load_catalog
from triage_assets.shards.collection import collect_retired
from triage_assets.shards.compaction import compact_shards
from triage_assets.shards.merge_policy import MOST_SMALL, plan_merges
from triage_assets.shards.packing import describe_live, pack_frames
from triage_assets.shards.verify import verify_shards
from triage_assets.shards.writer import SEAL_BYTES

DAYS, ORGANIZATIONS = 3 * 365, 30
FRAME_BYTES = 91_500  # a frame of 1280 by 720, and its share of headers
MOST_FRAMES = 27  # 1 to so many frames a sequence: 14 on average


@dataclass(frozen=True, slots=True)
class Scenario:
    """``sequences_per_day`` are of all organizations together; the k-th gets a share of 1 / k ** ``skew``."""

    name: str
    sequences_per_day: float
    skew: float
    has_seasons: bool


SCENARIOS = (
    Scenario("quiet", 10, 1.0, True),
    # The queue that this project began with: 21,489 sequences, if they came in a year and a half.
    Scenario("usual", 40, 1.0, True),
    Scenario("even", 40, 0.0, True),
    Scenario("busy", 100, 1.0, True),
    # Every run of every organization seals a shard, and none of them ever fills one.
    Scenario("worst", 30, 0.0, False),
)


@dataclass(frozen=True, slots=True)
class Result:
    """``most_shards`` is the largest number on any evening."""

    runs: int
    shards: int
    most_shards: int
    most_retired: int
    full_shards: int
    bytes_kept: int
    bytes_written: int


def simulate(scenario: Scenario, most_small: int = MOST_SMALL, grace_days: int = 7) -> Result:
    """What the policy makes of three years, by sizes alone."""
    organizations: list[list[int]] = [[] for _ in range(ORGANIZATIONS)]
    written = most_shards = most_retired = runs = 0
    retired: list[int] = []
    for day in _days(scenario):
        runs += 1
        retired.append(0)
        for which, sealed in enumerate(day):
            written += sum(sealed)
            organizations[which] += sealed
            sizes = organizations[which]
            plan = plan_merges(sizes, SEAL_BYTES, most_small)
            merged = [sum(sizes[position] for position in positions) for positions in plan]
            gone = frozenset(chain(*plan))
            organizations[which] = [*(size for place, size in enumerate(sizes) if place not in gone), *merged]
            written += sum(merged)
            retired[-1] += len(gone)
        most_shards = max(most_shards, sum(map(len, organizations)))
        most_retired = max(most_retired, sum(retired[-grace_days:]))
    sizes = [size for organization in organizations for size in organization]
    full = sum(2 * size >= SEAL_BYTES for size in sizes)
    return Result(runs, len(sizes), most_shards, most_retired, full, sum(sizes), written)


def _days(scenario: Scenario) -> Iterator[list[list[int]]]:
    """Per day and organization the sizes of the shards that its run seals: none where nothing is new."""
    chance = random.Random(20260823)
    weights = [1 / (which + 1) ** scenario.skew for which in range(ORGANIZATIONS)]
    for day in range(DAYS):
        season = 1 + 0.8 * math.sin(2 * math.pi * day / 365) if scenario.has_seasons else 1.0
        expected = [scenario.sequences_per_day * season * weight / sum(weights) for weight in weights]
        if scenario.has_seasons:
            yield [_seal(_poisson(chance, each) * [MOST_FRAMES], chance) for each in expected]
        else:
            yield [[round(each * (MOST_FRAMES + 1) / 2 * FRAME_BYTES)] for each in expected]


def _seal(most_frames: list[int], chance: random.Random) -> list[int]:
    shards: list[int] = []
    for most in most_frames:
        size = chance.randint(1, most) * FRAME_BYTES
        if shards and shards[-1] + size <= SEAL_BYTES:
            shards[-1] += size
        else:
            shards.append(size)
    return shards


def _poisson(chance: random.Random, expected: float) -> int:
    limit, product, number = math.exp(-expected), chance.random(), 0
    while product > limit:
        product *= chance.random()
        number += 1
    return number


def run_really(folder: Path, days: int, largest: int) -> None:
    """Pack one sequence a day, merge after each day as a run does, and prove what comes of it."""
    frames = make_frames()[:1]
    store = FolderStore(folder)
    backlog = list(make_backlog(days))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    packing = merging = 0.0
    written = most = 0
    for day in range(days):
        begun = time.perf_counter()
        packed = pack_frames(store, KEY, backlog[day : day + 1], partial(answer, frames * 200), seal_bytes=largest)
        packing += time.perf_counter() - begun
        written += packed.bytes_downloaded
        begun = time.perf_counter()
        collect_retired(store, [KEY], now=start + timedelta(days=day))
        report = compact_shards(store, [KEY], now=start + timedelta(days=day), largest=largest, progress=no_progress)
        merging += time.perf_counter() - begun
        written += report.bytes_written
        most = max(most, report.n_shards)
        assert describe_live(store, KEY)[1] == packed.data_version
    catalog = load_catalog(store, KEY)
    assert catalog is not None
    kept = sum(shard.tar_bytes for shard in catalog.shards)
    proof = verify_shards(store, progress=no_progress)
    assert not proof.faults and not proof.leftovers
    assert proof.n_frames == days * FRAMES_PER_SEQUENCE
    print(
        f"{days} days of one sequence, shards of at most {largest / 1e6:,.0f} MB, in a folder: "
        f"{len(catalog.shards)} shards (at most {most}), {kept / 1e6:,.0f} MB kept, "
        f"{written / kept:.2f} times written; packing {packing:.1f} s, merging {merging:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--real-days", type=int, default=120)
    parser.add_argument("--folder", type=Path, default=None)
    options = parser.parse_args()
    print(f"{DAYS} daily runs of {ORGANIZATIONS} organizations, at most {MOST_SMALL} small shards each")
    print(f"{'':<8}{'kept':>8}{'shards':>8}{'at most':>9}{'full':>6}{'objects':>9}{'in grace':>10}{'written':>10}")
    for scenario in SCENARIOS:
        result = simulate(scenario)
        objects = 2 * result.shards + ORGANIZATIONS  # archives, indexes and catalogs
        print(
            f"{scenario.name:<8}{result.bytes_kept / 1e9:>5,.0f} GB{result.shards:>8}{result.most_shards:>9}"
            f"{result.full_shards:>6}{objects:>9}{2 * result.most_retired:>10}"
            f"{result.bytes_written / result.bytes_kept:>8.2f} x"
        )
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        run_really(Path(folder), options.real_days, 100_000_000)


if __name__ == "__main__":
    main()
